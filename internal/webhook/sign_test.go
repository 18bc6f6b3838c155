package webhook

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// The vector of the specification's own libraries (TestWebhookSign). Module interop holds what we send against the library.
func TestSignature(t *testing.T) {
	secret, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
}

func TestSecrets(t *testing.T) {
	of := func(n int) string {
		return secretPrefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xa7}, n))
	}
	for _, good := range []string{of(24), of(32), of(33), of(64)} {
		if err := CheckSecret(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", secretPrefix, of(23), of(65), strings.TrimPrefix(of(32), secretPrefix), strings.TrimRight(of(32), "="), of(32) + "\n",
		"whsk_" + strings.TrimPrefix(of(32), secretPrefix), secretPrefix + strings.Repeat("_", 44), secretPrefix + strings.Repeat("A", 1<<20)} {
		err := CheckSecret(bad)
		if err == nil {
			t.Errorf("%.80q is taken for a secret", bad)
		} else if len(bad) > 20 && strings.Contains(err.Error(), bad[6:20]) {
			t.Errorf("the error repeats what may be a Secret: %v", err)
		}
	}
	made, err := MakeSecret(bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	if err != nil || CheckSecret(made) != nil || len(made) != len(of(newSecret)) {
		t.Errorf("made %s, %v", made, err)
	}
}
