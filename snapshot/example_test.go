package snapshot_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/stetlog/stet/snapshot"
)

// A value that could be guessed needs a key.
func ExampleValue() {
	salary := map[string]any{"employee": "E-17", "salary": 5000}
	_, err := snapshot.Value(salary, snapshot.Options{Object: "employee E-17"})
	fmt.Println(err)
	s, err := snapshot.Value(salary, snapshot.Options{Object: "employee E-17", Key: []byte("random, secret, kept")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Digest[:12], s.Summary)
	// Output:
	// snapshot: a plain digest would give away what can be guessed: give a Key, or say that the data is Public
	// hmac-sha256: 2 members
}

// What a job did to a directory.
func ExampleDiff() {
	dir, err := os.MkdirTemp("", "stet-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	before, err := snapshot.Tree(ctx, dir, snapshot.TreeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "report.csv"), []byte("a,b\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	after, err := snapshot.Tree(ctx, dir, snapshot.TreeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	// In a job: run.Snapshot(before.Snapshot(), after.Snapshot()).
	fmt.Println(before.Snapshot().Summary)
	fmt.Println(after.Snapshot().Summary)
	if changes, ok := snapshot.Diff(before, after); ok {
		fmt.Println(changes.Impact().Summary)
	}
	// Output:
	// 0 files, 0 B
	// 1 file, 4 B
	// 1 file added
}
