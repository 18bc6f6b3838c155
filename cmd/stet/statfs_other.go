//go:build !linux

package main

import "errors"

// statfs says nothing here.
func statfs(string) (space, error) { return space{}, errors.ErrUnsupported }
