package convert

// Cell is cell, for tests.
func Cell(s string) string { return cell(s) }
