module github.com/stetlog/stet/bench

go 1.26.0

replace github.com/stetlog/stet => ../

require (
	github.com/stetlog/stet v0.0.0-00010101000000-000000000000
	golang.org/x/mod v0.42.0
)

require github.com/klauspost/compress v1.20.3 // indirect
