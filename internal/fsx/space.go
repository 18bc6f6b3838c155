package fsx

// Space is how much room a file system has, in bytes.
type Space struct {
	Free int64 // for who is not privileged
	Size int64 // of the whole
}
