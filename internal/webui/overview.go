package webui

import "net/http"

// getOverview is the first page.
func (u *UI) getOverview(v *visit) error {
	return v.to("search")
}

func (u *UI) getHelp(v *visit) error {
	return u.show(v, http.StatusOK, "help", "Help", nil)
}
