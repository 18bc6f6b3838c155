//go:build race

package server

// hostileCount is smaller where each request costs ten times as much, and still has every kind of attack in it.
const hostileCount = 3_500
