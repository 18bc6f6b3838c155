package convert

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// ocsfVersion is the version of the schema that is written.
const ocsfVersion = "1.9.0"

// notProvided stands where OCSF demands a text that we do not have.
const notProvided = event.AbsentNotProvided

// ocsfClass is a class of OCSF, and which of the objects that we can fill it takes.
type ocsfClass struct {
	uid                int64
	name               string
	device, actor, src bool
}

var (
	ocsfBase      = ocsfClass{uid: 0, name: "Base Event"}
	ocsfJob       = ocsfClass{uid: 1006, name: "Scheduled Job Activity", device: true, actor: true}
	ocsfAccount   = ocsfClass{uid: 3001, name: "Account Change", device: true, actor: true, src: true}
	ocsfAuthn     = ocsfClass{uid: 3002, name: "Authentication", device: true, actor: true, src: true}
	ocsfLifecycle = ocsfClass{uid: 6002, name: "Application Lifecycle", device: true, actor: true}
	ocsfAPI       = ocsfClass{uid: 6003, name: "API Activity", actor: true, src: true}
	ocsfDatastore = ocsfClass{uid: 6005, name: "Datastore Activity", actor: true, src: true}
	ocsfError     = ocsfClass{uid: 6008, name: "Application Error"}
)

// ocsfActivity is what a type is in OCSF: a class, and the number and word of an activity of it. 99 is Other: then the word is
// the type's own name.
type ocsfActivity struct {
	class ocsfClass
	id    int64
	name  string
}

// ocsfOther is the id of everything that has no word.
const ocsfOther = 99

// ocsfActivities are the types that have a word of their own in their class.
var ocsfActivities = map[string]ocsfActivity{
	"job_submitted":              {ocsfJob, 1, "Create"},
	"job_started":                {ocsfJob, 6, "Start"},
	"authn_login_success":        {ocsfAuthn, 1, "Logon"},
	"authn_login_fail":           {ocsfAuthn, 1, "Logon"},
	"session_logout":             {ocsfAuthn, 2, "Logoff"},
	"authn_password_change":      {ocsfAccount, 3, "Password Change"},
	"authn_password_change_fail": {ocsfAccount, 3, "Password Change"},
	"authn_login_lock":           {ocsfAccount, 9, "Lock"},
	"user_created":               {ocsfAccount, 1, "Create"},
	"user_deleted":               {ocsfAccount, 6, "Delete"},
	"sensitive_read":             {ocsfDatastore, 1, "Read"},
	"sensitive_update":           {ocsfDatastore, 2, "Update"},
	"sensitive_create":           {ocsfDatastore, 6, "Create"},
	"sensitive_delete":           {ocsfDatastore, 7, "Delete"},
	"sys_startup":                {ocsfLifecycle, 3, "Start"},
	"sys_shutdown":               {ocsfLifecycle, 4, "Stop"},
	"log_read":                   {ocsfAPI, 2, "Read"},
	"config_changed":             {ocsfAPI, 3, "Update"},
	"sys_crash":                  {ocsfError, 1, "General Error"},
	"crypt_decrypt_fail":         {ocsfError, 1, "General Error"},
	"crypt_encrypt_fail":         {ocsfError, 1, "General Error"},
}

// ocsfPrefixes are the classes of the other types that the catalogue has, by how their names begin.
var ocsfPrefixes = []struct {
	prefix string
	class  ocsfClass
}{
	{"job_", ocsfJob}, {"authn_", ocsfAuthn}, {"session_", ocsfAuthn}, {"login_", ocsfAuthn}, {"user_", ocsfAccount},
	{"privilege_", ocsfAccount}, {"sensitive_", ocsfDatastore}, {"sys_", ocsfLifecycle}, {"stream_", ocsfError}, {"clock_", ocsfError},
}

// ocsf is what a row is in OCSF. A type of the catalogue that no other class fits is a use of an interface; what is not in it, and
// no event, is a base event.
func (r *Row) ocsf() ocsfActivity {
	if a, ok := ocsfActivities[r.event.EventType]; ok {
		return a
	}
	a := ocsfActivity{ocsfBase, ocsfOther, r.event.EventType}
	if _, known := event.Builtin().Lookup(r.event.EventType); !known {
		return a
	}
	a.class = ocsfAPI
	for _, p := range ocsfPrefixes {
		if strings.HasPrefix(r.event.EventType, p.prefix) {
			a.class = p.class
			break
		}
	}
	return a
}

// hostname is what OCSF's type of that name takes.
var hostname = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

// appendOCSF appends an event of OCSF. The entry is in raw_data, whole; the attestation of profile record_integrity is over it:
// its fingerprint is the entry's leaf hash, SHA-256 of a zero byte and these bytes.
func appendOCSF(dst []byte, r *Row) []byte {
	e, a := r.event, r.ocsf()
	w := &jsonWriter{b: dst}
	w.begin("")
	w.int("class_uid", a.class.uid)
	w.text("class_name", a.class.name)
	w.int("category_uid", a.class.uid/1000)
	w.int("activity_id", a.id)
	w.text("activity_name", a.name)
	w.int("type_uid", a.class.uid*100+a.id)
	w.milliseconds("time", r.happened())
	severity := r.severity()
	w.int("severity_id", [...]int64{6, 5, 5, 4, 3, 2, 1, 1}[severity])
	w.text("severity", [...]string{"Fatal", "Critical", "Critical", "High", "Medium", "Low", "Informational", "Informational"}[severity])
	switch e.Status {
	case "":
	case event.StatusSuccess:
		w.int("status_id", 1)
		w.text("status", "Success")
	case event.StatusFailure:
		w.int("status_id", 2)
		w.text("status", "Failure")
	default:
		w.int("status_id", ocsfOther)
		w.text("status", e.Status)
	}
	w.text("status_code", e.StatusCode)
	w.text("status_detail", e.StatusReason)
	w.text("message", e.Description)
	r.ocsfMetadata(w, a.class)
	r.ocsfObjects(w, a.class)
	r.ocsfAttestation(w)
	w.text("raw_data", string(r.raw))
	w.begin("unmapped")
	r.each(OCSF, w.text)
	if !a.class.src {
		w.text("source_ip", e.SourceIP)
		w.text("source_port", number(r.source().Port))
	}
	if !a.class.actor {
		w.text("user_id", e.UserID)
		w.text("app_id", e.AppID)
	}
	if !a.class.device {
		w.text("host", r.host().Name)
		w.text("host_ip", r.host().IP)
		w.text("instance_id", r.host().InstanceID)
	}
	w.end()
	w.end()
	return w.b
}

func (r *Row) ocsfMetadata(w *jsonWriter, class ocsfClass) {
	e := r.event
	w.begin("metadata")
	w.text("version", ocsfVersion)
	if class.device {
		w.texts("profiles", "host", "record_integrity")
	} else {
		w.texts("profiles", "record_integrity")
	}
	r.ocsfProduct(w, "product")
	w.text("uid", uuid(e.EventID))
	w.text("correlation_uid", e.InteractionID)
	w.int("sequence", int64(r.Seq))
	w.text("event_code", e.EventType)
	w.milliseconds("logged_time", e.Timestamp)
	w.milliseconds("processed_time", r.received)
	w.text("log_provider", "stet")
	w.end()
}

func (r *Row) ocsfProduct(w *jsonWriter, name string) {
	w.begin(name)
	w.text("name", cmp.Or(r.event.AppID, "stet"))
	w.text("vendor_name", notProvided)
	w.text("version", r.event.AppVersion)
	w.end()
}

func (r *Row) ocsfObjects(w *jsonWriter, class ocsfClass) {
	e, h := r.event, r.host()
	if class.device {
		w.begin("device")
		w.int("type_id", 0)
		if hostname.MatchString(h.Name) {
			w.text("hostname", h.Name)
		} else {
			w.text("name", cmp.Or(h.Name, notProvided))
		}
		w.text("ip", h.IP)
		w.text("instance_uid", h.InstanceID)
		w.end()
	}
	if class.actor {
		w.begin("actor")
		r.ocsfUser(w, false)
		w.text("app_uid", e.AppID)
		w.end()
	}
	if class.src {
		w.begin("src_endpoint")
		switch {
		case e.SourceIP == "":
			w.text("name", notProvided)
		case isAddress(e.SourceIP):
			w.text("ip", e.SourceIP)
		default:
			w.text("uid", e.SourceIP)
		}
		w.some("port", r.source().Port)
		w.end()
	}
	j := r.job()
	switch class.uid {
	case ocsfJob.uid:
		w.begin("job")
		w.text("name", cmp.Or(cmp.Or(j.Name, j.ID), notProvided))
		w.text("uid", j.ID)
		if state := runState(e); state != 0 {
			w.int("run_state_id", state)
		}
		w.end()
	case ocsfAuthn.uid, ocsfAccount.uid:
		r.ocsfUser(w, true)
	case ocsfLifecycle.uid:
		r.ocsfProduct(w, "app")
	case ocsfAPI.uid:
		w.begin("api")
		w.text("operation", cmp.Or(e.Action, e.EventType))
		w.end()
	case ocsfDatastore.uid:
		w.begin("database")
		w.int("type_id", ocsfOther)
		w.text("type", cmp.Or(r.object().Type, notProvided))
		w.text("name", cmp.Or(r.object().ID, notProvided))
		w.end()
	}
}

// ocsfUser writes who it was; where a class demands it, also that it is not known.
func (r *Row) ocsfUser(w *jsonWriter, demanded bool) {
	w.begin("user")
	w.text("uid", r.event.UserID)
	if demanded && r.event.UserID == "" {
		w.text("name", notProvided)
	}
	w.end()
}

// runState is in what state a job is after an event: 2 queued, 3 running, 4 stopped, 0 not known.
func runState(e *event.Event) int64 {
	switch deref(e.Job).Phase {
	case "submission", "authorization":
		return 2
	case "execution":
		return 3
	case "outcome":
		return 4
	}
	return 0
}

func (r *Row) ocsfAttestation(w *jsonWriter) {
	w.begin("attestation")
	if r.SealedBy != "" {
		w.text("authority_uid", proof.KeyID(r.SealedBy))
	}
	w.text("chain_uid", uuid(r.event.StreamID))
	w.begin("fingerprint")
	w.int("algorithm_id", 3)
	w.text("algorithm", "SHA-256")
	w.int("encoding_id", 1)
	w.text("encoding", "Hex")
	w.text("value", r.Hash.Hex())
	w.end()
	if r.SealedBy != "" {
		// It is over the batch, not over this one event; and it is a signed note, not one of the envelopes that OCSF has a number for.
		w.name("signatures")
		w.b = append(w.b, `[{"algorithm_id":99,"algorithm":"Ed25519","serialization_id":99,"serialization":"stet/seal/v1"}]`...)
	}
	w.end()
}
