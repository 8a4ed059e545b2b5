module netkit.test/http

go 1.24
