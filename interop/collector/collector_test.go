package collector

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// TestCollector has a Collector, as it is, take logs over OTLP/HTTP and export them over OTLP/HTTP to a server: each that is an event of the
// catalogue is in the log, with all that was in it.
func TestCollector(t *testing.T) {
	dir := t.TempDir()
	bin, store := filepath.Join(dir, "stet"), filepath.Join(dir, "store")
	build := exec.Command("go", "build", "-o", bin, "./cmd/stet")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	stet := func(args ...string) *exec.Cmd {
		c := exec.Command(bin, args...)
		c.Env = append(os.Environ(), "HOME="+dir, "STET_STATE="+filepath.Join(dir, "state"))
		c.Stderr = os.Stderr
		return c
	}
	token := func(role ...string) string {
		out, err := stet(append([]string{"admin", "token", "create", "--store", store, "--role"}, role...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	writer, auditor := token("writer", "--app", "shop"), token("auditor")
	server := stet("serve", "--store", store, "--listen", "127.0.0.1:0")
	server.Stderr = nil
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSpace(url)

	address := run(t, url+"/v1/logs", writer)
	const n = 500
	var records []string
	for i := range n {
		records = append(records, fmt.Sprintf(`{"timeUnixNano":"17723664%08d000","severityNumber":17,"eventName":"user.created","body":{"stringValue":"user %d"},"attributes":[{"key":"user.id","value":{"stringValue":"u-%d"}},{"key":"n","value":{"intValue":"%d"}}]}`, i, i, i, i),
			`{"severityNumber":5,"body":{"stringValue":"noise"}}`)
	}
	body := `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[` + strings.Join(records, ",") + `]}]}]}`
	resp, err := http.Post("http://"+address+"/v1/logs", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("the collector: %d %s", resp.StatusCode, said)
	}
	_ = resp.Body.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/v1/tail?from=0&limit=%d&q=app:shop", url, n), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+auditor)
	if resp, err = http.DefaultClient.Do(r); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	came := 0
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		var row struct {
			Entry struct {
				Event *struct {
					Event_type, User_id, Description string //nolint:revive // as in the event
					Severity                         int
					Labels                           map[string]string
				}
			}
		}
		if !ok || json.Unmarshal(data, &row) != nil || row.Entry.Event == nil {
			continue
		}
		e := row.Entry.Event
		if want := fmt.Sprint(came); e.Event_type != "user_created" || e.User_id != "u-"+want || e.Description != "user "+want || e.Severity != 3 || e.Labels["attributes.n"] != want || e.Labels["resource.attributes.service.name"] != "shop" {
			t.Errorf("event %d: %+v", came, e)
		}
		came++
	}
	if came != n {
		t.Errorf("%d events of %d came: %v", came, n, lines.Err())
	}
}

// run starts a Collector that ends with the test, and returns where it listens.
func run(t *testing.T, to, token string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	in, out := otlpreceiver.NewFactory(), otlphttpexporter.NewFactory()
	config := fmt.Sprintf(`yaml:
receivers: {%[1]s: {protocols: {http: {endpoint: "%[2]s"}}}}
exporters: {%[3]s: {logs_endpoint: "%[4]s", headers: {Authorization: "Bearer %[5]s"}}}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines: {logs: {receivers: [%[1]s], exporters: [%[3]s]}}
`, in.Type(), address, out.Type(), to, token)
	c, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.NewDefaultBuildInfo(), DisableGracefulShutdown: true,
		Factories: func() (otelcol.Factories, error) {
			return otelcol.Factories{Receivers: map[component.Type]receiver.Factory{in.Type(): in}, Exporters: map[component.Type]exporter.Factory{out.Type(): out}, Telemetry: otelconftelemetry.NewFactory()}, nil
		},
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{URIs: []string{config}, ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory()}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background()) }()
	t.Cleanup(func() {
		c.Shutdown()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for c.GetState() != otelcol.StateRunning {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the collector has ended: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return address
}
