package webui

import (
	"net/http"
	"strings"

	"github.com/stetlog/stet/internal/wire"
)

type loginView struct {
	Back    string // where to go then
	Problem string // why the last try failed
}

func (u *UI) getLogin(v *visit) error {
	back := u.back(v.r.URL.Query().Get("back"))
	if v.who.Role != "" || v.who.Own {
		return v.to(back)
	}
	return u.show(v, http.StatusOK, "login", "Log in", loginView{Back: back})
}

// postLogin takes a token. It is in no answer, error or log.
func (u *UI) postLogin(v *visit) error {
	f, err := v.fields()
	if err != nil {
		return err
	}
	back := u.back(f.Get("back"))
	who, err := v.Login(v.r, strings.TrimSpace(f.Get("token")))
	if err != nil {
		p, ok := problemOf(err)
		if !ok || p.Code == wire.RateLimited {
			return err
		}
		why := "This token is not known here. A token is one line that begins with stet1_; whoever runs this server makes one with stet admin token create."
		if p.Code == wire.TokenExpired || p.Code == wire.TokenRevoked {
			why = p.Detail
		}
		return u.show(v, http.StatusUnauthorized, "login", "Log in", loginView{Back: back, Problem: why})
	}
	u.sessions.end(v.r) // a session is never carried over to another login
	http.SetCookie(v.w, cookie(u.sessions.begin(who)))
	return v.to(back)
}

func (u *UI) postLogout(v *visit) error {
	u.sessions.end(v.r)
	http.SetCookie(v.w, cookie(""))
	return v.to("login")
}
