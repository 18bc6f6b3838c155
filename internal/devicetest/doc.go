// Package devicetest holds tests of the whole store on real disks that fail: power cuts, full disks, writeback errors,
// reads that fail. They need Linux and root, ext4 on loop devices and tmpfs, all of it in a mount namespace of their own,
// so that nothing outlives them. They run with CI=true, and by "make devices".
//
// What can be enumerated is enumerated in memory (package fsxtest); here the kernel has the last word on what a sync
// means, and which errors it returns when.
package devicetest
