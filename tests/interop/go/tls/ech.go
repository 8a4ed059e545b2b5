//go:build go1.24

package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
)

// echConfig is an ECHConfig of RFC 9849 section 4: X25519, HKDF-SHA256, AES-128-GCM or ChaCha20-Poly1305.
func echConfig(id byte, public []byte, name string) []byte {
	contents := append([]byte{id, 0, 0x20, 0, byte(len(public))}, public...)
	contents = append(contents, 0, 8, 0, 1, 0, 1, 0, 1, 0, 3)
	contents = append(contents, 32, byte(len(name)))
	contents = append(contents, name...)
	contents = append(contents, 0, 0)
	head := binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(contents)))
	return append(head, contents...)
}

func printList(title string, config []byte) {
	fmt.Printf("%s %04x%x\n", title, len(config), config)
}

// encrypt lets the server take encrypted hellos, whose outer name is `public`.
func encrypt(config *tls.Config, public string) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	fail(err)
	lost, err := ecdh.X25519().GenerateKey(rand.Reader)
	fail(err)
	own := echConfig(7, key.PublicKey().Bytes(), public)
	config.EncryptedClientHelloKeys = []tls.EncryptedClientHelloKey{
		{Config: own, PrivateKey: key.Bytes(), SendAsRetry: true},
	}
	printList("ech", own)
	printList("stale", echConfig(9, lost.PublicKey().Bytes(), public))
}

func echAccepted(state tls.ConnectionState) bool {
	return state.ECHAccepted
}
