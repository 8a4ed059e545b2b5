//go:build !go1.24

package main

import (
	"crypto/tls"
	"errors"
)

func encrypt(*tls.Config, string) {
	fail(errors.New("this Go has no server for encrypted hellos"))
}

func echAccepted(tls.ConnectionState) bool {
	return false
}
