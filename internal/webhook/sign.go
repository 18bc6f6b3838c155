package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks 1.0.0, "Webhook headers".
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// A secret is 24 to 64 random bytes (Standard Webhooks, "Signature scheme"), written as whsec_ and base64.
const (
	secretPrefix = "whsec_"
	minSecret    = 24
	maxSecret    = 64
	newSecret    = 32
)

// MakeSecret makes a new secret.
func MakeSecret(random io.Reader) (string, error) {
	var b [newSecret]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("no randomness for a Secret: %w", err)
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:]), nil
}

// ParseSecret reads a secret in its one form. Its error does not repeat it.
func ParseSecret(s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, secretPrefix)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(b) < minSecret || len(b) > maxSecret || base64.StdEncoding.EncodeToString(b) != text {
		return nil, errors.New("its secret must be whsec_ and the base64 of 24 to 64 random bytes")
	}
	return b, nil
}

// CheckSecret refuses what is no secret. Its error does not repeat it.
func CheckSecret(s string) error {
	_, err := ParseSecret(s)
	return err
}

// Sign is the value of webhook-signature: HMAC-SHA256 over id, timestamp and body with dots between them.
func Sign(secret []byte, id string, at time.Time, body []byte) string {
	m := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(m, id+"."+strconv.FormatInt(at.Unix(), 10)+".") // never fails
	_, _ = m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
