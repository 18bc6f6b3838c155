# stet: two commands from a fresh clone: `go run ./cmd/stet demo` and `make test`.
SHELL   := /bin/bash
MODULES := . interop bench
LINT    := go tool -modfile=tools/golangci.mod golangci-lint
FUZZ    ?= 10s

.PHONY: collector evidence shots test tools race states lint mutants fuzz forgeries faults devices crash chaos forward-chaos hostile bench vet cron demo

# All tests of all modules, the modules side by side: each waits a lot, for cron, browsers and clocks. With CI=true nothing is skipped.
test: tools
	@$(MAKE) --no-print-directory -j$(words $(MODULES)) $(MODULES:%=tested/%)

tested/%:
	@cd $* && go vet ./... && go test ./...

# What tests need beside Go: installed where that can be done, named where not.
tools:
	@./.ci/tools

# The race detector watches what runs side by side. Explorations of one goroutine, and commands started one after the other,
# which test has just run, and TestChaos, are left out: under the detector they take ten times as long and show it nothing.
# Each process of it sleeps at its end, to be told of more, a second where atexit_sleep_ms is not set.
SCRIPTS := servetrouble|watch|doctor|import|importforeign|admin|logkey|snapshot|proof|anything|systemd|cron|correct|emit|which|impact|unrecorded|capture|where|empty|secrets|export|index|lint|expect|evidence|lineage|ghosts|passing
ALONE := Crash|Fault|Flip|Every|Cut|Tamper|Remove|Swap|Acknowledged|Evidence|Replaced|Missing|Secrets|Troubled|Trouble|Trimmed|Forgeries|UnderCron|Doors|ImportKilled|Leftover|Crowd|Chaos|Model|JSON|Doctor|Completion|Manual|KeysAreChanged|RekeyIsAtomic|FullDiskIsWaited|TestChunks|TestWeight|FindsWhatAScan|Readme|FollowKilled|SyslogKilled|Rsyslog|TestScripts/($(SCRIPTS))$$
race:
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=10 ./.ci/memory go test -race -timeout 20m -skip '$(ALONE)' $$(go list ./... | grep -vE '/(mutants|devicetest)$$')

# Crashes at every operation, counted; fails below 20,000 distinct states.
states:
	@./.ci/memory ./.ci/states

lint:
	$(LINT) run ./...
	@for m in $(filter-out .,$(MODULES)); do (cd $$m && go tool -modfile=../tools/golangci.mod golangci-lint run ./...) || exit 1; done

# Each mutant breaks the code in one known way; a test must turn red.
mutants:
	@./.ci/memory go run ./mutants

# Every fuzz target for FUZZ, four at a time; TARGET='proof|FuzzCheck' runs some (a minute count is a soak, run by hand).
fuzz:
	@FUZZ=$(FUZZ) ./.ci/fuzz '$(TARGET)'

# A million mutated proofs, seals and stores; make test makes ten thousand of them.
forgeries:
	@./.ci/memory ./.ci/forgeries

# Every fault on journal, spool, tiles, head and known checkpoints, and every pair of them: "make test" runs all single
# ones and a share of the pairs, this all: 200,000 pairs over the ledger, 600,000 over the whole store, hours on two cores.
# PAIRS=20 runs every 20th.
PAIRS ?= 1
faults:
	STET_PAIRS=$(PAIRS) go test -count=1 -v -timeout 12h -run 'TestEveryFaultAndPairsOfThem' ./internal/ledger ./internal/store

# Real disks: 200 power cuts, full disks, writeback and read errors. Root on Linux; "make test" with CI=true runs it too.
devices: tools
	STET_DEVICES=1 go test -count=1 -v ./internal/devicetest

# The soak, run by hand: an hour and more.
crash:
	STET_LONG=1 STET_CRASH_STATES=6000 go test -count=1 -timeout 120m -run 'Crash|Fault|Acknowledged|Every' ./internal/...

# Ten thousand files of evidence, good and forged, to both verifiers: "make test" gives them six hundred.
evidence: tools
	cd interop && STET_LONG=1 go test -count=1 -v -timeout 30m -run 'TestVerifiersAgree' .

# An OpenTelemetry Collector that exports to a server; by hand, because building the Collector takes minutes.
collector:
	cd interop/collector && go test -count=1 -v -timeout 30m .

# Eight emitters and a server, each killed fifty times, over a network that cuts and delays: "make test" kills five times.
chaos:
	STET_LONG=1 ./.ci/memory go test -count=1 -v -timeout 40m -run 'TestChaos$$' ./cmd/stet

# stet forward and the syslog receiver it sends to, our own and rsyslog, each killed fifty times: "make test" kills five times.
forward-chaos: tools
	STET_LONG=1 ./.ci/memory go test -count=1 -v -timeout 40m -run 'TestForwardChaos$$' ./cmd/stet

# A million hostile requests to a server: "make test" sends ten thousand.
hostile:
	STET_LONG=1 ./.ci/memory go test -count=1 -v -timeout 120m -run 'TestHostile$$' ./internal/server

# Aims against what is reached, in ratios: docs/performance.md.
bench: export STET_POSTGRES := 1
bench: tools
	cd bench && go run . $(BENCH)

# A crontab of ten lines under Debian's own cron, as root: waits for the next minute.
cron: export STET_CRON := 1
cron: tools
	go test -count=1 -v -run UnderCron ./cmd/stet

# Pictures of every screen, light and dark, into docs/img.
shots: tools
	cd interop && STET_SHOTS=1 go test -count=1 -v -timeout 30m -run 'TestScreenshots$$' .

demo:
	go run ./cmd/stet demo
