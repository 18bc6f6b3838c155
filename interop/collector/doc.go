// Package collector runs an OpenTelemetry Collector in front of a server. It is a module of its own, because building it takes minutes: make
// collector runs it.
package collector
