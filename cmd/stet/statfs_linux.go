package main

import (
	"fmt"
	"math"
	"syscall"
)

// fsKinds are the magic numbers of statfs(2) that doctor has something to say about.
var fsKinds = map[uint32]string{
	0x01021994: "tmpfs", 0x858458f6: "ramfs", 0x794c7630: "overlay", 0x6969: "NFS",
	0xff534d42: "CIFS", 0xfe534d42: "CIFS", 0x517b: "CIFS", 0x65735546: "FUSE", 0x01021997: "9p",
}

// statfs asks a file system how much room it has, and what it is.
func statfs(path string) (space, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return space{}, fmt.Errorf("statfs: %w", err)
	}
	block := uint64(max(st.Bsize, 1))
	s := space{kind: fsKinds[uint32(st.Type)], free: st.Bavail * block, total: st.Blocks * block, inodes: math.MaxUint64}
	if st.Files > 0 {
		s.inodes = st.Ffree
	}
	return s, nil
}
