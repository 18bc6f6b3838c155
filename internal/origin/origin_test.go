package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// A host is a machine that is not there: files from "/", and variables.
type host struct {
	files map[string]string
	env   map[string]string
	route string
	addrs []string
}

// stat is /proc/PID/stat of a process with an awkward name.
func stat(pid int, name string, ppid, tty, start int) string {
	return fmt.Sprintf("%d (%s) S %d 10 10 %d 10 4194304 1 2 3 4 5 6 7 8 20 0 1 0 %d 1000 200\n", pid, name, ppid, tty, start)
}

const (
	self = 4242
	pts3 = 136<<8 | 3
)

func newHost() host {
	return host{
		files: map[string]string{
			"proc/sys/kernel/random/boot_id": "f3b0c3a0-0000-4000-8000-000000000001\n",
			"proc/self/loginuid":             "4294967295",
			"proc/4242/stat":                 stat(self, "a) S 1 (b", 100, 0, 777),
			"proc/100/stat":                  stat(100, "sh", 50, 0, 700),
			"proc/50/stat":                   stat(50, "init-like", 1, 0, 1),
			"etc/machine-id":                 "0123456789abcdef0123456789abcdef\n",
			"etc/passwd":                     "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n",
		},
		env:   map[string]string{},
		route: "10.1.2.3",
	}
}

func (h host) detect() Origin {
	fsys := fstest.MapFS{}
	for name, text := range h.files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return From(Sources{
		Lookup: func(k string) (string, bool) { v, ok := h.env[k]; return v, ok },
		Root:   fsys, UID: 1000, PID: self,
		Hostname:   func() (string, error) { return "db1", nil },
		Executable: func() (string, error) { return "/opt/acme/bin/purge", nil },
		Build:      func() (*debug.BuildInfo, bool) { return nil, false },
		Route: func() (netip.Addr, error) {
			if h.route == "" {
				return netip.Addr{}, errors.New("network is unreachable")
			}
			return netip.MustParseAddr(h.route), nil
		},
		Addresses: func() (all []netip.Addr, err error) {
			for _, a := range h.addrs {
				all = append(all, netip.MustParseAddr(a))
			}
			return all, nil
		},
	})
}

func TestBareHost(t *testing.T) {
	got := newHost().detect()
	want := Origin{
		Hostname: Value{"db1", "kernel: hostname"},
		Address:  Value{"10.1.2.3", "kernel: source address of the default route"},
		BootID:   Value{"f3b0c3a0-0000-4000-8000-000000000001", "kernel: boot_id"},
		Machine:  got.Machine, // below
		UID:      1000, User: Value{"alice", "kernel: effective uid, /etc/passwd"},
		PID: self, PIDStart: 777,
		Executable: Value{"purge", "name of the executable"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(got.Machine.Text) != 32 || strings.Contains(got.Machine.Text, "0123456789abcdef") {
		t.Errorf("machine %q: the id itself must not leave the machine", got.Machine.Text)
	}
}

func TestNothingIsFoundNothingIsClaimed(t *testing.T) {
	got := From(Sources{Lookup: func(string) (string, bool) { return "", false }, Root: fstest.MapFS{}, UID: 7, PID: 8})
	if d := cmp.Diff(Origin{UID: 7, PID: 8}, got); d != "" {
		t.Error(d)
	}
}

func TestAddress(t *testing.T) {
	for _, tc := range []struct {
		name, route string
		addrs       []string
		want, how   string
	}{
		{"default route", "10.1.2.3", []string{"192.168.0.1"}, "10.1.2.3", "default route"},
		{"IPv4 in IPv6 clothes", "::ffff:10.1.2.3", nil, "10.1.2.3", "default route"},
		{"no route", "", []string{"127.0.0.1", "::1", "fe80::1", "192.168.0.1", "10.0.0.1"}, "192.168.0.1", "no default route"},
		{"only loopback", "", []string{"127.0.0.1", "::1"}, "", ""},
		{"nothing", "", nil, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost()
			h.route, h.addrs = tc.route, tc.addrs
			got := h.detect().Address
			if got.Text != tc.want || !strings.Contains(got.How, tc.how) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	for _, tc := range []struct{ loginuid, uid, user string }{
		{"4294967295", "", ""}, // (uid_t)-1: nobody logged in
		{"1000", "1000", "alice"},
		{"0\n", "0", "root"},
		{"2000", "2000", ""}, // not in /etc/passwd
		{"", "", ""},
		{"-1", "", ""},
		{"99999999999", "", ""},
	} {
		h := newHost()
		h.files["proc/self/loginuid"] = tc.loginuid
		o := h.detect()
		if o.LoginUID.Text != tc.uid || o.LoginUser.Text != tc.user {
			t.Errorf("%q: got %+v, %+v", tc.loginuid, o.LoginUID, o.LoginUser)
		}
	}
}

func TestSSHAndSudo(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.9 52514 10.1.2.3 22":         "203.0.113.9",
		"::ffff:203.0.113.9 52514 10.1.2.3 22":  "203.0.113.9",
		"fe80::1%eth0 52514 fe80::2%eth0 22":    "fe80::1",
		"2001:DB8::1 1 2001:db8::2 22":          "2001:db8::1",
		"UNKNOWN 65535 UNKNOWN 65535":           "",
		"203.0.113.9":                           "",
		"203.0.113.9\n evil 1 10.1.2.3 22 more": "",
		"":                                      "",
	} {
		h := newHost()
		h.env["SSH_CONNECTION"], h.env["SUDO_USER"] = in, "bob"
		o := h.detect()
		if o.SSHClient.Text != want {
			t.Errorf("%q: got %q", in, o.SSHClient.Text)
		}
		if o.SudoUser != (Value{"bob", "environment: SUDO_USER"}) {
			t.Errorf("sudo: %+v", o.SudoUser)
		}
	}
}

func TestTerminalNames(t *testing.T) {
	for dev, want := range map[int]string{
		0: "", pts3: "pts/3", 137<<8 | 1: "pts/257", 4<<8 | 1: "tty1", 4<<8 | 64: "ttyS0", 5<<8 | 1: "console",
		188 << 8: "tty 188:0", 136<<8 | 44 | 1<<20: "pts/300",
	} {
		h := newHost()
		h.files["proc/4242/stat"] = stat(self, "x", 100, dev, 1)
		if got := h.detect().Terminal.Text; got != want {
			t.Errorf("device %#x: %q, want %q", dev, got, want)
		}
	}
}

func TestTrigger(t *testing.T) {
	terminal := func(h host) { h.files["proc/4242/stat"] = stat(self, "stet", 100, pts3, 1) }
	service := func(h host) {
		h.env["INVOCATION_ID"] = invocation
		h.files["proc/self/cgroup"] = "0::/system.slice/backup.service\n"
		h.files["proc/uptime"] = "86400.12 1.0\n"
	}
	github := func(h host) {
		h.env["GITHUB_ACTIONS"], h.env["GITHUB_SERVER_URL"] = "true", "https://github.com"
		h.env["GITHUB_REPOSITORY"], h.env["GITHUB_RUN_ID"], h.env["GITHUB_SHA"] = "acme/jobs", "99", "abc"
	}
	airflow := func(h host, run string) {
		h.env["AIRFLOW_CTX_DAG_ID"], h.env["AIRFLOW_CTX_TASK_ID"], h.env["AIRFLOW_CTX_DAG_RUN_ID"] = "etl", "load", run
	}
	for _, tc := range []struct {
		name                    string
		with                    func(host)
		kind, how, ref          string
		entry, entryName        string
		upstream, upstreamEvent string
	}{
		{"nothing gives it away", func(host) {}, "", "", "", "", "", "", ""},
		{"terminal", terminal, Manual, "kernel: controlling terminal", "pts/3", "cli", "pts/3", "", ""},
		{"ssh host command", func(h host) { h.env["SSH_CONNECTION"] = "203.0.113.9 1 10.1.2.3 22" },
			Manual, "environment: SSH_CONNECTION", "", "cli", "ssh", "", ""},
		{"cron", func(h host) {
			h.files["proc/50/stat"] = stat(50, "CRON", 30, 0, 1)
			h.files["proc/30/stat"] = stat(30, "cron", 1, 0, 1)
		}, Schedule, "kernel: ancestor process cron", "cron", "schedule", "cron", "", ""},
		{"crond with a service around it", func(h host) {
			service(h)
			h.files["proc/50/stat"] = stat(50, "crond", 1, 0, 1)
		}, Schedule, "kernel: ancestor process crond", "crond", "schedule", "crond", "", ""},
		{"cron behind hidepid", func(h host) {
			delete(h.files, "proc/50/stat")
			h.env["MAILTO"] = ""
		}, Schedule, "environment: MAILTO, and no terminal", "cron", "schedule", "cron", "", ""},
		{"a terminal with MAILTO set", func(h host) { terminal(h); h.env["MAILTO"] = "root" },
			Manual, "kernel: controlling terminal", "pts/3", "cli", "pts/3", "", ""},
		{"a circle of ancestors", func(h host) { h.files["proc/50/stat"] = stat(50, "x", 100, 0, 1) }, "", "", "", "", "", "", ""},
		{"systemd timer", func(h host) { service(h); h.env["TRIGGER_UNIT"] = "backup.timer" },
			Schedule, "environment: TRIGGER_UNIT", "backup.timer " + invocation, "schedule", "backup.timer", "", ""},
		{"systemd path", func(h host) { service(h); h.env["TRIGGER_UNIT"] = "inbox.path" },
			Event, "environment: TRIGGER_UNIT", "inbox.path " + invocation, "cli", "inbox.path", "systemd", "inbox.path " + invocation},
		{"systemd service, long after boot", service, "", "", "backup.service " + invocation, "cli", "backup.service", "", ""},
		{"systemd service, just after boot", func(h host) { service(h); h.files["proc/uptime"] = "42.00 1.0\n" },
			Boot, "systemd service, within three minutes of boot", "backup.service " + invocation, "cli", "backup.service", "", ""},
		{"a desktop's terminal inherits INVOCATION_ID", func(h host) { service(h); terminal(h) },
			Manual, "kernel: controlling terminal", "pts/3", "cli", "pts/3", "", ""},
		{"not an invocation id", func(h host) { h.env["INVOCATION_ID"] = "hello" }, "", "", "", "", "", "", ""},
		{"GitHub, schedule", func(h host) { github(h); h.env["GITHUB_EVENT_NAME"] = "schedule" },
			Schedule, "environment: GITHUB_EVENT_NAME", "https://github.com/acme/jobs/actions/runs/99", "cli", "github-actions", "", ""},
		{"GitHub, by hand", func(h host) { github(h); h.env["GITHUB_EVENT_NAME"] = "workflow_dispatch" },
			Manual, "environment: GITHUB_EVENT_NAME", "https://github.com/acme/jobs/actions/runs/99", "cli", "github-actions", "", ""},
		{"GitHub, push", func(h host) { github(h); h.env["GITHUB_EVENT_NAME"] = "push" },
			Event, "environment: GITHUB_EVENT_NAME", "https://github.com/acme/jobs/actions/runs/99", "cli", "github-actions",
			"github-actions:acme/jobs", "push abc"},
		{"GitHub, a word from the future", func(h host) { github(h); h.env["GITHUB_EVENT_NAME"] = "telepathy" },
			"", "", "https://github.com/acme/jobs/actions/runs/99", "cli", "github-actions", "", ""},
		{"GitLab, api", func(h host) {
			h.env["GITLAB_CI"], h.env["CI_PIPELINE_SOURCE"], h.env["CI_JOB_ID"] = "true", "api", "5"
		}, API, "environment: CI_PIPELINE_SOURCE", "5", "cli", "gitlab-ci", "", ""},
		{"Jenkins", func(h host) {
			h.env["JENKINS_URL"], h.env["BUILD_URL"] = "https://ci.example.com/", "https://ci.example.com/job/x/7/"
		}, "", "", "https://ci.example.com/job/x/7/", "cli", "jenkins", "", ""},
		{"Airflow, scheduled, by a worker that is a service", func(h host) { service(h); airflow(h, "scheduled__2026-01-01T00:00:00+00:00") },
			Schedule, "environment: AIRFLOW_CTX_DAG_RUN_ID", "etl/load/scheduled__2026-01-01T00:00:00+00:00", "cli", "airflow", "", ""},
		{"Airflow, by hand", func(h host) { airflow(h, "manual__2026-01-01T00:00:00+00:00") },
			Manual, "environment: AIRFLOW_CTX_DAG_RUN_ID", "etl/load/manual__2026-01-01T00:00:00+00:00", "cli", "airflow", "", ""},
		{"Airflow, by an asset", func(h host) { airflow(h, "asset_triggered__x") },
			Event, "environment: AIRFLOW_CTX_DAG_RUN_ID", "etl/load/asset_triggered__x", "cli", "airflow", "airflow", "asset_triggered__x"},
		{"Airflow, a run with a name of its own", func(h host) { airflow(h, "mine") }, "", "", "etl/load/mine", "cli", "airflow", "", ""},
		{"OpenLineage", func(h host) { service(h); h.env["OPENLINEAGE_PARENT_ID"] = lineageParent },
			Parent, "environment: OPENLINEAGE_PARENT_ID", lineageParent, "cli", "openlineage", "", ""},
		{"OpenLineage, not a parent id", func(h host) { h.env["OPENLINEAGE_PARENT_ID"] = "ns/job/with/slash" }, "", "", "", "", "", "", ""},
		{"some CI", func(h host) { h.env["CI"] = "true" }, "", "", "", "cli", "ci", "", ""},
		{"a stet job started us, in CI and at a terminal", func(h host) {
			github(h)
			terminal(h)
			h.env["STET_PARENT_JOB_ID"] = "01890a5d-ac96-774b-bcce-b302099a8057"
		}, Parent, "environment: STET_PARENT_JOB_ID", "01890a5d-ac96-774b-bcce-b302099a8057", "cli", "stet run", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost()
			tc.with(h)
			o := h.detect()
			got := []string{o.Trigger.Kind, o.Trigger.How, o.Trigger.Reference.Text, o.EntryPoint.Kind, o.EntryPoint.Name.Text,
				o.Trigger.Upstream.Text, o.Trigger.UpstreamRef.Text}
			want := []string{tc.kind, tc.how, tc.ref, tc.entry, tc.entryName, tc.upstream, tc.upstreamEvent}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTextIsBounded(t *testing.T) {
	h := newHost()
	h.env["SUDO_USER"] = strings.Repeat("x", 1<<20)
	h.files["etc/passwd"] = strings.Repeat("x", 3<<20)
	if o := h.detect(); len(o.SudoUser.Text) != MaxText || o.User.Found() {
		t.Errorf("%d bytes, user %+v", len(o.SudoUser.Text), o.User)
	}
}

func TestBuild(t *testing.T) {
	setting := func(kv ...string) (all []debug.BuildSetting) {
		for i := 0; i < len(kv); i += 2 {
			all = append(all, debug.BuildSetting{Key: kv[i], Value: kv[i+1]})
		}
		return all
	}
	const rev = "0123456789abcdef0123456789abcdef01234567"
	for _, tc := range []struct {
		name string
		info debug.BuildInfo
		want Value
	}{
		{"installed at a version", debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, Value{"v1.2.3", "build info: module version"}},
		{"built in a checkout", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: setting("vcs.revision", rev)},
			Value{"0123456789ab", "build info: vcs.revision"}},
		{"with changes", debug.BuildInfo{Settings: setting("vcs.revision", rev, "vcs.modified", "true")},
			Value{"0123456789ab+dirty", "build info: vcs.revision"}},
		{"-buildvcs=false", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, Value{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := describe(&tc.info).Version; got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestThisMachine(t *testing.T) {
	o := Detect(os.LookupEnv)
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if o.Hostname.Text != name || o.PID != os.Getpid() || o.UID != os.Geteuid() || !strings.HasPrefix(o.Executable.Text, "origin.test") {
		t.Errorf("got %+v", o)
	}
	if a := o.Address; a.Found() {
		if ip, err := netip.ParseAddr(a.Text); err != nil || ip.IsLoopback() || ip.String() != a.Text {
			t.Errorf("address %+v", a)
		}
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil && o.PIDStart == 0 {
		t.Error("no start time")
	}
	if o.Build.Go == "" {
		t.Error("no build info in a test binary")
	}
}

func BenchmarkDetect(b *testing.B) {
	for b.Loop() {
		Detect(os.LookupEnv)
	}
}
