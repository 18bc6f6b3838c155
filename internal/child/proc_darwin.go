package child

import "syscall"

// Without /proc the answers are the careful ones: a signal from the terminal is
// taken to have reached the child, and the rest of its group is left alone.

func missed(int, syscall.Signal) bool  { return false }
func ignores(int, syscall.Signal) bool { return false }
func survivors(int) bool               { return false }
func descendants(int) []int            { return nil }
