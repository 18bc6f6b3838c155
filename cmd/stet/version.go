package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/stetlog/stet/internal/origin"
)

type versionCmd struct {
	JSON bool `help:"Print JSON."`
}

func (c versionCmd) Run(e *env) error {
	b := origin.Detect(os.LookupEnv).Build
	v := struct {
		Format   string `json:"format"`
		Version  string `json:"version"`
		Revision string `json:"revision,omitempty"`
		Modified bool   `json:"modified,omitempty"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{"stet.version/1", b.Version.Text, b.Revision.Text, b.Modified, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if v.Version == "" {
		v.Version = "unknown (built without version information)"
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(v)
	}
	_, err := fmt.Fprintf(e.stdout, "stet %s (%s, %s)\n", v.Version, v.Go, v.Platform)
	return err
}
