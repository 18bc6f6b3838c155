package formats_test

import (
	"fmt"
	"strings"
)

// zeros is a number that sorts as a text.
func zeros(n uint64) string { return fmt.Sprintf("%020d", n) }

// attribute is a text without the code points that are no characters, of which CloudEvents' attributes have none.
func attribute(s string) string {
	return strings.NewReplacer("\ufdd0", `\ufdd0`, "\ufffe", `\ufffe`, "\uffff", `\uffff`, "\U0001fffe", `\U0001fffe`, "\U0001ffff", `\U0001ffff`, "\U0010ffff", `\U0010ffff`, "\U0010fffe", `\U0010fffe`).Replace(s)
}
