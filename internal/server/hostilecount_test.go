//go:build !race

package server

// hostileCount is how many requests TestHostile sends.
const hostileCount = 10_000
