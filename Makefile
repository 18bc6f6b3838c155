# stet: two commands from a fresh clone: `go run ./cmd/stet demo` and `make test`.
SHELL   := /bin/bash
MODULES := . interop
LINT    := go tool -modfile=tools/golangci.mod golangci-lint
FUZZ    ?= 30s

.PHONY: test tools race lint mutants fuzz crash bench vet demo

# All tests of all modules. With CI=true nothing is skipped.
test: tools
	@for m in $(MODULES); do (cd $$m && go vet ./... && go test ./...) || exit 1; done

# What tests need beside Go: installed where that can be done, named where not.
tools:
	@./.ci/tools

race:
	CGO_ENABLED=1 go test -race ./...

lint:
	$(LINT) run ./...
	@for m in $(filter-out .,$(MODULES)); do (cd $$m && go tool -modfile=../tools/golangci.mod golangci-lint run ./...) || exit 1; done

# Each mutant breaks the code in one known way; a test must turn red.
mutants:
	go run ./mutants

# Every fuzz target for FUZZ (a minute count is a soak, run by hand).
fuzz:
	@for t in $$(grep -rl --include=*_test.go '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -rh --include=*_test.go -o '^func Fuzz[A-Za-z0-9_]*' $$t | cut -c6- | sort -u); do \
	    echo "$$t $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZ) $$t || exit 1; done; done

# The soak: ten times the crash states of a change.
crash:
	STET_LONG=1 go test -count=1 -timeout 60m -run 'Crash|Fault' ./...

bench:
	go test -run '^$$' -bench . -benchmem ./event ./proof ./internal/...

demo:
	go run ./cmd/stet demo
