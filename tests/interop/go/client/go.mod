module netkit.test/client

go 1.24
