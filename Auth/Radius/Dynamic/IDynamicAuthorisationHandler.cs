namespace Masquerade.Auth.Radius;

/// <summary>Who makes the changes. Each is made whole or not at all (RFC 5176 section 6): an answer other than <see cref="ErrorCause.None"/> means that nothing has changed.</summary>
public interface IDynamicAuthorisationHandler
{
    /// <summary>Ends the sessions that are meant, everywhere.</summary>
    Task<ErrorCause> DisconnectAsync(SessionSelector selector, CancellationToken cancel);

    /// <summary>Changes what the session that is meant may do.</summary>
    Task<ErrorCause> ChangeAsync(SessionSelector selector, SessionTerms terms, CancellationToken cancel);
}
