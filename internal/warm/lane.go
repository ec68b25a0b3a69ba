package warm

import "slices"

// A lane is a queue for each client, from which they are served in turn, with
// those who work on it. Its Prefetcher's mutex guards it.
type lane struct {
	queues  map[string][]task // by client
	turn    []string          // the clients that have tasks; the first is next
	busy    map[string]int    // by client, how many work for it
	workers int
}

// put queues a task for a client.
func (l *lane) put(client string, t task) {
	if l.queues == nil {
		l.queues, l.busy = make(map[string][]task), make(map[string]int)
	}
	if len(l.queues[client]) == 0 {
		l.turn = append(l.turn, client)
	}
	l.queues[client] = append(l.queues[client], t)
}

// take returns a task of the next client for which fewer work than may. The
// caller calls done when the task is done.
func (l *lane) take(most func(client string) int) (client string, t task, ok bool) {
	i := slices.IndexFunc(l.turn, func(c string) bool { return l.busy[c] < most(c) })
	if i < 0 {
		return "", task{}, false
	}
	client = l.turn[i]
	l.turn = slices.Delete(l.turn, i, i+1)
	queue := l.queues[client]
	t, queue[0] = queue[0], task{}
	if queue = queue[1:]; len(queue) > 0 {
		l.queues[client] = queue
		l.turn = append(l.turn, client)
	} else {
		delete(l.queues, client)
	}
	l.busy[client]++
	return client, t, true
}

// done notes that a task of a client is done.
func (l *lane) done(client string) {
	if l.busy[client]--; l.busy[client] == 0 {
		delete(l.busy, client)
	}
}

// clear returns all tasks, which are in no queue any more.
func (l *lane) clear() (left []task) {
	for _, queue := range l.queues {
		left = append(left, queue...)
	}
	l.queues, l.turn = nil, nil
	return left
}
