// Package alert tells others what comes into a log: an alert is a saved query of the query language and the address of a
// webhook, which gets the entries that the query finds from then on, in signed messages after the Standard Webhooks
// specification 1.0.0. What the watch finds are events, so that a query finds those as well. docs/spec/alerts.md has the forms.
//
// [Alerts] keeps the definitions in a store and, while Run runs, reads what the log publishes and delivers it. The way is one
// way: entries are matched and folded ([fold]), a fold that is due is made a message, which is durable before its first
// attempt, and goes when its delivery is recorded. What waits is a count and a few numbers of entries, however many they are,
// and a place in the log: no queue.
//
// Guarantees. A message is delivered at least once: whoever dies between an answer and its note sends it again, under the
// same webhook-id and with the same entries. No entry that matches is skipped: those that are not in a message of their own
// are counted in one. A message that its target does not take is tried again for as long as the alert is there; only 410 Gone
// turns an alert off. At most one message an alert is on its way, so that no target can delay another.
//
// What a message's delivery is recorded as, alert_sent under the store's key, matches no alert: an alert on everything does
// not feed itself.
//
// Secrets and addresses of targets are in no event, log line, error or list of this package. Of an address only scheme and
// host are told, because paths of webhooks are often secrets.
package alert
