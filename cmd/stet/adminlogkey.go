package main

import (
	"fmt"
	"strconv"

	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/proof"
)

type adminLogKeyCmd struct {
	List   logKeyListCmd   `cmd:"" help:"List the keys that the log has had."`
	Rotate logKeyRotateCmd `cmd:"" help:"Have a new key take the place of the log's; both sign until the old one is retired."`
	Retire logKeyRetireCmd `cmd:"" help:"Have the older keys sign no more, and remove them."`
}

// logKeyList is what these commands print: stet.log_keys/1.
type logKeyList struct {
	Format string         `json:"format"`
	Keys   []listedLogKey `json:"keys"`
}

type listedLogKey struct {
	ID    string `json:"id"`
	Key   string `json:"key"`
	Since uint64 `json:"since"` // entries when it came; 0: the log began with it
	Time  string `json:"time,omitempty"`
	Signs bool   `json:"signs"`
}

func listLogKeys(all []admin.LogKey) logKeyList {
	out := logKeyList{Format: "stet.log_keys/1", Keys: []listedLogKey{}}
	for _, k := range all {
		out.Keys = append(out.Keys, listedLogKey{k.ID, k.VKey, k.Since, k.Time, k.Signs})
	}
	return out
}

type logKeyListCmd struct {
	adminFlag
	JSON bool `help:"Print JSON."`
}

func (c *logKeyListCmd) Run(e *env) error {
	var all []admin.LogKey
	err := c.with(e, false, func(a administration) (err error) {
		all, err = a.ListLogKeys(e.ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(e, listLogKeys(all))
	}
	rows := [][]string{{"ID", "SINCE", "TIME", "SIGNS", "KEY"}}
	for _, k := range all {
		signs := "no"
		if k.Signs {
			signs = "yes"
		}
		rows = append(rows, []string{k.ID[:16], strconv.FormatUint(k.Since, 10), k.Time, signs, k.VKey})
	}
	return printRows(e, rows)
}

type logKeyRotateCmd struct {
	adminFlag
	JSON bool `help:"Print JSON."`
}

// Help says what rotation gives, and what it does not.
func (logKeyRotateCmd) Help() string {
	return `The new key takes the old one's place by a handover that both have signed. It stands in the log, under a checkpoint that
the old key signs, and is served beside the checkpoint, so that whoever trusts an older key follows by itself: machines that
send, stet verify, exports. Tokens stay good. Take a copy of the new key into the backup of the store.

Both keys sign until stet admin log-key retire, so that a program that knows only the old one goes on. Whoever has stolen the
old key can still deceive those who have not heard of the new one; those who have take nothing more from the old.`
}

func (c *logKeyRotateCmd) Run(e *env) error {
	var all []admin.LogKey
	err := c.with(e, false, func(a administration) (err error) {
		all, err = a.RotateLogKey(e.ctx)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e, listLogKeys(all))
	}
	last := all[len(all)-1]
	_, err = fmt.Fprintf(e.stdout, "the log's key is now %s: %s\nolder keys sign beside it until stet admin log-key retire\n", last.ID[:16], printableText(last.VKey))
	return err
}

type logKeyRetireCmd struct {
	adminFlag
	JSON bool `help:"Print JSON."`
}

// Help says what is to be waited for.
func (logKeyRetireCmd) Help() string {
	return `Whoever knows an older key follows the handovers to the newest, also after this. Only programs that cannot follow, such as
other tools for such logs, need the newest key's text from then on: stet admin log-key list prints it.

The files of the older keys are removed. Copies of them, such as in backups, are not: destroy these.`
}

func (c *logKeyRetireCmd) Run(e *env) error {
	var all []admin.LogKey
	err := c.with(e, false, func(a administration) (err error) {
		all, err = a.RetireLogKeys(e.ctx)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e, listLogKeys(all))
	}
	_, err = fmt.Fprintf(e.stdout, "only %s signs now\n", proof.KeyID(all[len(all)-1].VKey)[:16])
	return err
}
