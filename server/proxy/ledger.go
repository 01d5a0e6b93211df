package proxy

import "github.com/pgbeam/pulumi-pgbeam/server/internal/wire"

// ledger keeps account of what the client asked for and the upstream has not
// finished: the order of the messages that a ReadyForQuery will answer.
// Its subtleties are the upstream's: an error in the extended protocol makes
// it skip to the next Sync, and while it takes COPY data it ignores Sync.
type ledger struct {
	queue    []byte // one of the kinds below per entry, head first
	head     int
	skipping bool // the upstream ignores all until a Sync that was not sent yet
	copying  bool // the upstream takes COPY data from the client
	status   byte // transaction status of the last ReadyForQuery
}

// Kinds of entries. A batch, the extended-protocol messages up to a Sync or a
// Query, is as many entries in a row as it has messages to be answered, and one
// more: that the batch goes on is known after all answers as well.
const (
	batch     = 'x'
	query     = wire.Query
	function  = wire.FunctionCall
	syncPoint = wire.Sync
)

func newLedger() ledger { return ledger{status: 'I'} }

// sent notes a frame of the client that goes upstream.
func (l *ledger) sent(typ byte) {
	switch typ {
	case wire.CopyDone, wire.CopyFail:
		l.copying = false
		return
	case wire.CopyData, wire.Terminate:
		return
	}
	if l.copying && (typ == wire.Sync || typ == wire.Flush) {
		return
	}
	switch typ {
	case wire.Query, wire.FunctionCall:
		if !l.skipping {
			l.push(typ)
		}
	case wire.Sync:
		l.skipping = false
		l.push(syncPoint)
	default:
		if l.skipping {
			return
		}
		if l.empty() || l.queue[len(l.queue)-1] != batch {
			l.push(batch)
		}
		if typ != wire.Flush {
			l.push(batch)
		}
	}
}

// received notes a frame of the upstream. status is the transaction status
// of a ReadyForQuery.
func (l *ledger) received(typ, status byte) {
	switch typ {
	case wire.ReadyForQuery:
		l.status = status
		l.copying, l.skipping = false, false
		l.head = l.batchEnd()
		if !l.empty() {
			l.head++
		}
		l.compact()
	case wire.ErrorResponse:
		l.copying = false
		if l.empty() || l.queue[l.head] != batch {
			return
		}
		if next := l.head + 1; next < len(l.queue) && (l.queue[next] == query || l.queue[next] == function) {
			l.head = next // all before it was answered: it is this one that failed, and that skips nothing
			return
		}
		for !l.empty() && l.queue[l.head] != syncPoint {
			l.head++
		}
		l.skipping = l.empty()
		l.compact()
	case wire.ParseComplete, wire.BindComplete, wire.CloseComplete, wire.RowDescription, wire.NoData,
		wire.CommandComplete, wire.PortalSuspended, wire.EmptyQuery:
		if next := l.head + 1; next < len(l.queue) && l.queue[l.head] == batch && l.queue[next] == batch {
			l.head = next // one more message of the batch was answered
		}
	case wire.CopyInResponse, wire.CopyBothResp:
		l.copying = true
		// What was sent right behind the COPY is ignored as well.
		if !l.empty() {
			from := max(l.head+1, l.batchEnd())
			to := from
			for to < len(l.queue) && l.queue[to] == syncPoint {
				to++
			}
			l.queue = append(l.queue[:from], l.queue[to:]...)
		}
	}
}

// empty reports whether nothing is outstanding.
func (l *ledger) empty() bool { return l.head == len(l.queue) }

// idle reports whether nothing is outstanding and no transaction is open.
func (l *ledger) idle() bool { return l.empty() && !l.skipping && l.status == 'I' }

func (l *ledger) push(kind byte) { l.queue = append(l.queue, kind) }

// batchEnd is where the batch ends that is at the head, if one is.
func (l *ledger) batchEnd() int {
	at := l.head
	for at < len(l.queue) && l.queue[at] == batch {
		at++
	}
	return at
}

func (l *ledger) compact() {
	if l.empty() {
		l.queue, l.head = l.queue[:0], 0
	} else if l.head > 64 && 2*l.head > len(l.queue) {
		l.queue = l.queue[:copy(l.queue, l.queue[l.head:])]
		l.head = 0
	}
}

// done reports whether nothing is outstanding that will be answered without
// another message of the client.
func (l *ledger) done() bool { return l.empty() || l.open() }

// open reports whether a batch has no Sync yet, and nothing is before it.
func (l *ledger) open() bool { return !l.empty() && l.batchEnd() == len(l.queue) }
