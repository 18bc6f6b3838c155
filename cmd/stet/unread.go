package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
)

// What shows entries of a log goes on behind those that it cannot read, says which they are, and ends with an integrity failure.
// What says that something is not there, or that all of it is, stops at them: ghosts, expect report, lint, export, index rebuild.

// doubtsError says that a server's or a directory's index and its log disagree about some entries, which were named and not shown.
type doubtsError struct{ damage *logread.DamageError }

func (d *doubtsError) Error() string { return d.damage.Error() }

func (d *doubtsError) Unwrap() error { return d.damage }

// doubted is the error of rows in doubt.
func doubted(n int) error {
	if n == 0 {
		return nil
	}
	return &doubtsError{&logread.DamageError{File: index.Dir, Reason: fmt.Sprintf("log and index disagree about %d of the entries that were asked for; "+
		"stet verify says whether the log is what was signed, stet admin index rebuild makes the index anew", n)}}
}

// lacking splits an error in what only says that what was found is not all, and what else it may be.
func lacking(err error) (lacks, other error) {
	if errors.As(err, new(*logread.UnreadError)) || errors.As(err, new(*doubtsError)) {
		return err, nil
	}
	return nil, err
}

// shown is the error of a command that has shown what it could: lacks says what that is not. nil where it is all.
func shown(lacks error) error {
	if lacks == nil {
		return nil
	}
	return exit{exitIntegrity, without("what is shown is not all", lacks)}
}

// without says of entries that cannot be read what that means, and what to do next. Other errors pass.
func without(what string, err error) error {
	switch {
	case errors.As(err, new(*logread.UnreadError)):
		return fmt.Errorf("%s: %w; stet verify says what else is wrong", what, err)
	case errors.As(err, new(*doubtsError)): // which says what to do
		return fmt.Errorf("%s: %w", what, err)
	}
	return err
}

// damagedTile says whether a log cannot be written for the damage of a file that others can be read without.
func damagedTile(err error) bool {
	var bad *ledger.IntegrityError
	return errors.As(err, &bad) && strings.HasPrefix(bad.File, logread.StoreLog+"/tile/")
}
