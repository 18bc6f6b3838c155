// Consumer is a program as a user of the SDK would write it: one job, recorded in the store named by its argument. What
// it pulls in is what every user of stet pulls in; a test one folder up holds it to that.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/stetlog/stet"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) != 1 {
		return errors.New("usage: consumer STORE")
	}
	rec, err := stet.Open(ctx, args[0], stet.Options{App: "consumer", Environment: "test"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	return rec.Do(ctx, stet.Job{Name: "greet", Reason: "to see that it works"}, func(context.Context, *stet.Run) error {
		fmt.Println("hello")
		return nil
	})
}
