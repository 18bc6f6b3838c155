package webui

import "net/http"

func (u *UI) getHelp(v *visit) error {
	return u.show(v, http.StatusOK, "help", "Help", nil)
}
