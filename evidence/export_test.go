package evidence

import (
	"bufio"
	"bytes"
)

// Packed is a member to be packed by Pack.
type Packed struct {
	Name string
	Data []byte
}

// Pack makes a zip of the one form, whatever is in it; with again set the manifest, which comes last, is made to fit.
func Pack(all []Packed, again *Manifest) ([]byte, error) {
	var out bytes.Buffer
	z := &zipWriter{w: bufio.NewWriter(&out)}
	if again != nil {
		again.Members = []Member{}
	}
	for _, p := range all {
		if p.Name == manifestName && again != nil {
			text, err := again.encode()
			if err != nil {
				return nil, err
			}
			p.Data = text
		}
		m, err := z.member(p.Name, bytesOf(p.Data))
		if err != nil {
			return nil, err
		}
		if again != nil && p.Name != manifestName {
			again.Members = append(again.Members, m)
		}
	}
	err := z.close()
	return out.Bytes(), err
}
