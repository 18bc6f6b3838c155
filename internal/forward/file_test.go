package forward

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stetlog/stet/internal/convert"
)

// Rows are appended to what is there; a line that was cut is ended, and stands before its whole row; a file that was renamed is left,
// and another one begun.
func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	d := NewFile(name, convert.JSONLines)
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	send := func(d *File, first uint64, n int) {
		t.Helper()
		if r := d.Send(t.Context(), someRows(first, n)); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	send(d, 1, 2)
	if err := os.WriteFile(name, []byte("row 1\nrow 2\nro"), 0o600); err != nil { // as one who died left it
		t.Fatal(err)
	}
	send(d, 3, 1)
	if got := read(name); got != "row 1\nrow 2\nro\nrow 3\n" {
		t.Errorf("%q", got)
	}
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	send(d, 4, 1)
	if got := read(name); got != "row 4\n" {
		t.Errorf("%q", got)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	send(d, 5, 1)
	if got := read(name) + read(name+".1"); got != "row 5\nrow 1\nrow 2\nro\nrow 3\n" {
		t.Errorf("%q", got)
	}
	if fi, err := os.Stat(name); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	table := NewFile(name+".csv", convert.CSV)
	send(table, 1, 1)
	send(table, 2, 1)
	if got, head := read(name+".csv"), string(convert.CSV.Head(nil)); got != head+"row 1\r\nrow 2\r\n" {
		t.Errorf("%q", got)
	}
	if err := table.Close(); err != nil {
		t.Error(err)
	}
}

// What cannot be written to leaves all rows, and what is no file is never waited for.
func TestFileCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if r := NewFile(filepath.Join(dir, "none", "out"), convert.JSONLines).Send(t.Context(), someRows(1, 2)); len(r.Left) != 2 || r.Err == nil || final(r.Err) {
		t.Errorf("%+v", r)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	var end *EndError
	if r := NewFile(pipe, convert.JSONLines).Send(t.Context(), someRows(1, 2)); len(r.Left) != 2 || !errors.As(r.Err, &end) {
		t.Errorf("%+v", r)
	}
}
