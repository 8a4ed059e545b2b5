module tls

go 1.19
