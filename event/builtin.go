package event

const (
	jobRun   = classJob | classRun
	jobAuth  = classJob | classAuthorization | classStatus
	jobEnded = classJob | classRun | classOutcome | classStatus
)

// builtin is the catalogue of SCHEMA.
var builtin = func() *Catalogue {
	c := &Catalogue{types: make(map[string]*Type)}
	for _, list := range [][]Type{jobTypes, watchTypes, ownTypes, appTypes} {
		for i := range list {
			t := &list[i]
			if len(t.Name) > 8 && t.Name[:8] == "session_" {
				t.class |= classSession
			}
			c.types[t.Name] = t
		}
	}
	return c
}()

// jobTypes are the four phases of a job.
var jobTypes = []Type{
	{Name: "job_submitted", Severity: 6, Description: "A job was submitted", class: classJob | classSubmission, phase: "submission"},
	{Name: "job_deduplicated", Severity: 6, Description: "A submission repeated an earlier one and was not taken again", class: classJob, phase: "submission"},
	{Name: "job_authorized", Severity: 6, Security: true, Description: "A job was allowed to run", class: jobAuth, phase: "authorization", status: StatusSuccess},
	{Name: "job_authorization_unchecked", Severity: 5, Security: true, Description: "A job runs without anybody having checked that it may", class: jobAuth, phase: "authorization", status: StatusUnknown},
	{Name: "job_denied", Severity: 4, Security: true, Description: "A job was not allowed to run", class: jobAuth, phase: "authorization", status: StatusDenied},
	{Name: "job_started", Severity: 6, Description: "A job started", class: jobRun | classStart, phase: "execution"},
	{Name: "job_heartbeat", Severity: 6, Description: "A job is still active", class: jobRun | classHeartbeat, phase: "execution"},
	{Name: "job_snapshot", Severity: 6, Description: "A job recorded the state of data", class: jobRun, phase: "execution"},
	{Name: "job_paused", Severity: 6, Description: "A job was paused", class: jobRun, phase: "execution"},
	{Name: "job_resumed", Severity: 6, Description: "A job was resumed", class: jobRun, phase: "execution"},
	{Name: "job_retry_scheduled", Severity: 5, Description: "A job will be tried again", class: classJob},
	{Name: "job_cancel_requested", Severity: 5, Description: "A job was asked to stop", class: classJob},
	{Name: "job_succeeded", Severity: 6, Description: "A job succeeded", class: jobEnded, phase: "outcome", status: StatusSuccess},
	{Name: "job_failed", Severity: 3, Description: "A job failed", class: jobEnded, phase: "outcome", status: StatusFailure},
	{Name: "job_aborted", Severity: 4, Description: "A job was aborted", class: jobEnded, phase: "outcome", status: StatusAborted},
	{Name: "job_corrected", Severity: 5, Description: "An earlier record of a job was corrected", class: classJob | classCorrection},
}

// watchTypes are what a store or server finds out; nobody else may raise them.
var watchTypes = []Type{
	{Name: "job_lost", Severity: 3, Description: "A job's process is gone and left no outcome", Reserved: true, class: classJob},
	{Name: "job_never_started", Severity: 4, Description: "A submitted job never started", Reserved: true, class: classJob},
	{Name: "job_no_outcome", Severity: 4, Description: "A started job has no outcome", Reserved: true, class: classJob},
	{Name: "job_missed", Severity: 4, Description: "An expected job did not come", Reserved: true, class: classJob},
	{Name: "job_stalled", Severity: 4, Description: "A job's heartbeat is overdue", Reserved: true, class: classJob},
	{Name: "job_recovered", Severity: 5, Description: "A job that was overdue came back", Reserved: true, class: classJob},
	{Name: "job_late_outcome", Severity: 5, Description: "An outcome came after its job had been given up", Reserved: true, class: classJob},
	{Name: "job_authorization_lapsed", Severity: 4, Security: true, Description: "A job runs on after its authorization ended", Reserved: true, class: classJob},
	{Name: "job_phase_disorder", Severity: 4, Description: "A job's phases came in an impossible order", Reserved: true, class: classJob},
	{Name: "job_orphaned", Severity: 4, Description: "A job's parent is not known or has ended", Reserved: true, class: classJob},
	{Name: "stream_gap", Severity: 3, Security: true, Description: "Numbers are missing in a stream", Reserved: true},
	{Name: "stream_gap_filled", Severity: 5, Security: true, Description: "Missing numbers of a stream came in", Reserved: true},
	{Name: "clock_skewed", Severity: 4, Security: true, Description: "A sender's clock is off", Reserved: true},
}

// ownTypes are about stet itself.
var ownTypes = []Type{
	{Name: "emitter_enrolled", Severity: 5, Security: true, Description: "An emitter's key was enrolled", Reserved: true},
	{Name: "key_rotated", Severity: 5, Security: true, Description: "A key was rotated"},
	{Name: "key_revoked", Severity: 4, Security: true, Description: "A key was revoked"},
	{Name: "token_created", Severity: 5, Security: true, Description: "A token was created"},
	{Name: "token_revoked", Severity: 5, Security: true, Description: "A token was revoked"},
	{Name: "login_refused", Severity: 4, Security: true, Description: "A login was refused"},
	{Name: "config_changed", Severity: 5, Security: true, Description: "A setting was changed"},
	{Name: "log_read", Severity: 6, Security: true, Description: "The log was read"},
	{Name: "log_exported", Severity: 5, Security: true, Description: "The log was exported"},
	{Name: "event_refused", Severity: 4, Security: true, Description: "An event could not be stored"},
	{Name: "event_conflict", Severity: 3, Security: true, Description: "Other events came under numbers already taken"},
	{Name: "records_not_stored", Severity: 6, Description: "Records of another system came in and were not stored", Reserved: true},
	{Name: "log_contradicted", Severity: 1, Security: true, Description: "A log's server contradicted what it had proven"},
	{Name: "spool_quarantined", Severity: 3, Security: true, Description: "A damaged part of a spool was set aside"},
	{Name: "expectation_added", Severity: 6, Security: true, Description: "A schedule to watch was added"},
	{Name: "expectation_removed", Severity: 5, Security: true, Description: "A schedule to watch was removed"},
	{Name: "alert_sent", Severity: 5, Description: "An alert was sent"},
	{Name: "retention_applied", Severity: 5, Security: true, Description: "Old records were dropped by policy"},
	{Name: "hold_placed", Severity: 5, Security: true, Description: "A legal hold was placed"},
	{Name: "hold_released", Severity: 5, Security: true, Description: "A legal hold was released"},
	{Name: "subject_erased", Severity: 5, Security: true, Description: "A person's data was erased"},
}

// appTypes are the OWASP Logging Vocabulary, with the levels that it gives:
// INFO is 6, WARN 4, CRITICAL 2. What it logs is security relevant.
var appTypes = []Type{
	{Name: "authn_login_success", Severity: 6, Security: true, Description: "A user logged in"},
	{Name: "authn_login_successafterfail", Severity: 6, Security: true, Description: "A user logged in after failing"},
	{Name: "authn_login_fail", Severity: 4, Security: true, Description: "A login failed"},
	{Name: "authn_login_fail_max", Severity: 4, Security: true, Description: "Logins failed up to the limit"},
	{Name: "authn_login_lock", Severity: 4, Security: true, Description: "An account was locked"},
	{Name: "authn_password_change", Severity: 6, Security: true, Description: "A password was changed"},
	{Name: "authn_password_change_fail", Severity: 2, Security: true, Description: "A password change failed"},
	{Name: "authn_impossible_travel", Severity: 2, Security: true, Description: "A user appeared in two places at once"},
	{Name: "authn_token_created", Severity: 6, Security: true, Description: "A token was created"},
	{Name: "authn_token_revoked", Severity: 6, Security: true, Description: "A token was revoked"},
	{Name: "authn_token_reuse", Severity: 2, Security: true, Description: "A revoked token was used"},
	{Name: "authn_token_delete", Severity: 4, Security: true, Description: "A token was deleted"},
	{Name: "authz_fail", Severity: 2, Security: true, Description: "An access was refused"},
	{Name: "authz_change", Severity: 4, Security: true, Description: "An entitlement was changed"},
	{Name: "authz_admin", Severity: 4, Security: true, Description: "An administrator acted"},
	{Name: "crypt_decrypt_fail", Severity: 4, Security: true, Description: "A decryption failed"},
	{Name: "crypt_encrypt_fail", Severity: 4, Security: true, Description: "An encryption failed"},
	{Name: "excess_rate_limit_exceeded", Severity: 4, Security: true, Description: "A rate limit was exceeded"},
	{Name: "excess_sessions_exceeded", Severity: 4, Security: true, Description: "Too many sessions were open"},
	{Name: "upload_complete", Severity: 6, Security: true, Description: "A file was uploaded"},
	{Name: "upload_stored", Severity: 6, Security: true, Description: "An uploaded file was stored"},
	{Name: "upload_validation", Severity: 6, Security: true, Description: "An uploaded file was checked"},
	{Name: "upload_delete", Severity: 6, Security: true, Description: "An uploaded file was deleted"},
	{Name: "input_validation_fail", Severity: 4, Security: true, Description: "Input was invalid"},
	{Name: "input_validation_discrete_fail", Severity: 4, Security: true, Description: "Input was not one of the choices given"},
	{Name: "malicious_excess_404", Severity: 4, Security: true, Description: "A client asked for many things that do not exist"},
	{Name: "malicious_extraneous", Severity: 2, Security: true, Description: "A client sent what nobody asked for"},
	{Name: "malicious_attack_tool", Severity: 2, Security: true, Description: "A known attack tool was used"},
	{Name: "malicious_sqli", Severity: 2, Security: true, Description: "SQL injection was tried"},
	{Name: "malicious_cors", Severity: 2, Security: true, Description: "A cross-origin request was illegal"},
	{Name: "malicious_direct_reference", Severity: 2, Security: true, Description: "An object was reached for directly"},
	{Name: "malicious_csrf", Severity: 4, Security: true, Description: "Cross-site request forgery was tried"},
	{Name: "malicious_csp_violation", Severity: 4, Security: true, Description: "A content security policy was violated"},
	{Name: "mcp_prompt_injection", Severity: 4, Security: true, Description: "Prompt injection was tried"},
	{Name: "mcp_resource_exhaustion", Severity: 4, Security: true, Description: "A model's resources were exhausted"},
	{Name: "mcp_tool_poisoning", Severity: 4, Security: true, Description: "A tool's description was poisoned"},
	{Name: "privilege_permissions_changed", Severity: 4, Security: true, Description: "Permissions were changed"},
	{Name: "sensitive_create", Severity: 4, Security: true, Description: "Sensitive data was created"},
	{Name: "sensitive_read", Severity: 4, Security: true, Description: "Sensitive data was read"},
	{Name: "sensitive_update", Severity: 4, Security: true, Description: "Sensitive data was changed"},
	{Name: "sensitive_delete", Severity: 4, Security: true, Description: "Sensitive data was deleted"},
	{Name: "sequence_fail", Severity: 2, Security: true, Description: "Steps were taken out of order"},
	{Name: "session_created", Severity: 6, Security: true, Description: "A session was created"},
	{Name: "session_renewed", Severity: 6, Security: true, Description: "A session was renewed"},
	{Name: "session_expired", Severity: 6, Security: true, Description: "A session expired"},
	{Name: "session_logout", Severity: 6, Security: true, Description: "A user logged out"},
	{Name: "session_use_after_expire", Severity: 2, Security: true, Description: "An expired session was used"},
	{Name: "sys_startup", Severity: 4, Security: true, Description: "A system started"},
	{Name: "sys_shutdown", Severity: 4, Security: true, Description: "A system was shut down"},
	{Name: "sys_restart", Severity: 4, Security: true, Description: "A system was restarted"},
	{Name: "sys_crash", Severity: 4, Security: true, Description: "A system crashed"},
	{Name: "sys_monitor_disabled", Severity: 4, Security: true, Description: "Monitoring was switched off"},
	{Name: "sys_monitor_enabled", Severity: 4, Security: true, Description: "Monitoring was switched on"},
	{Name: "user_created", Severity: 4, Security: true, Description: "A user was created"},
	{Name: "user_updated", Severity: 4, Security: true, Description: "A user was changed"},
	{Name: "user_archived", Severity: 4, Security: true, Description: "A user was archived"},
	{Name: "user_deleted", Severity: 4, Security: true, Description: "A user was deleted"},
}
