package main

import (
	"context"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test's own program be the server that the limit stands behind.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == bareFlag {
		if err := serveBare(context.Background(), os.Args[2], os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// TestEverySectionMeasures runs everything, small: what is printed is no figure to go by, but every row is there, and
// everything that is measured does what it should, or run would fail.
func TestEverySectionMeasures(t *testing.T) {
	var out strings.Builder
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { // PostgreSQL does not run as root, and must get there
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-duration", "20ms", "-events", "2000", "-batches", "50", "-dir", dir}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, row := range []string{"fdatasync", "check, secrets refused", "1024 writers, batches of 100", "full verification", "log / raw JSON",
		"Do (4 events)", "one durable event", "drain 50 batches", "stet run -- true", "the limit behind net/http", "receipts (L2)", "durable (L1)",
		"one client", "offered", "afterwards verified", "a rare word, p99", "a story, folded, p99", "PostgreSQL, JSONB", "SQLite",
		"with the index", "is behind by", "PostgreSQL, JSONB by COPY of", "overview", "story of the family", "policy, a query"} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("no row %q in\n%s", row, out.String())
		}
	}
}

func TestOnlyNamedSectionsRun(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"-only", "event", "-duration", "20ms", "-dir", t.TempDir()}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "secrets refused") || strings.Contains(out.String(), "writers") {
		t.Errorf("asked for the section event, got\n%s", out.String())
	}
}

// TestThePoolIsAsLargeAsTheAimsSay: the aims are for events of 0.8 KB, and the same ones in every run.
func TestThePoolIsAsLargeAsTheAimsSay(t *testing.T) {
	a, err := pool(500)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pool(500)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for i := range a {
		if string(a[i]) != string(b[i]) {
			t.Fatalf("event %d differs between runs", i)
		}
		size += len(a[i])
	}
	if mean := size / len(a); mean < eventSize*9/10 || mean > eventSize*11/10 {
		t.Errorf("events have %d bytes, want about %d", mean, eventSize)
	}
}
