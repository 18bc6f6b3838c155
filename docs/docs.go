// Package docs holds the documents that a binary carries with it, so that a server tells what it is and no other version
// of it.
package docs

import _ "embed" // for the document below

// OpenAPI is the description of a server's routes, in OpenAPI 3.1.
//
//go:embed openapi.yaml
var OpenAPI string
