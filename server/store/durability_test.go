package store

const childURL = "PGBEAM_STORE_TEST_CHILD"

func writeUntilKilled(url string) {}
