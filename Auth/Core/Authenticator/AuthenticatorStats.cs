using Masquerade.Core.Flow;

namespace Masquerade.Auth.Authenticator;

/// <summary>
/// Counters of all ports of a table, by the names of dot1xAuthStatsTable and dot1xAuthDiagTable (IEEE8021-PAE-MIB, IEEE 802.1X-2004 clause 9.4), and of what was dropped.
/// One writer; readers on other threads see values that may be a moment old.
/// </summary>
public sealed class AuthenticatorStats
{
    private static readonly int Reasons = Enum.GetValues<AuthenticatorDrop>().Length;

    private readonly long[] _drops = new long[Reasons];

    /// <summary>dot1xAuthEapolFramesRx: sound EAPOL frames.</summary>
    public long EapolFramesRx { get; internal set; }

    /// <summary>dot1xAuthEapolFramesTx.</summary>
    public long EapolFramesTx { get; internal set; }

    /// <summary>dot1xAuthEapolStartFramesRx.</summary>
    public long EapolStartFramesRx { get; internal set; }

    /// <summary>dot1xAuthEapolLogoffFramesRx.</summary>
    public long EapolLogoffFramesRx { get; internal set; }

    /// <summary>dot1xAuthEapolRespIdFramesRx: identities.</summary>
    public long EapolRespIdFramesRx { get; internal set; }

    /// <summary>dot1xAuthEapolRespFramesRx: responses other than identities.</summary>
    public long EapolRespFramesRx { get; internal set; }

    /// <summary>dot1xAuthEapolReqIdFramesTx: identity requests.</summary>
    public long EapolReqIdFramesTx { get; internal set; }

    /// <summary>dot1xAuthEapolReqFramesTx: other requests.</summary>
    public long EapolReqFramesTx { get; internal set; }

    /// <summary>dot1xAuthInvalidEapolFramesRx: frames whose type is not known.</summary>
    public long InvalidEapolFramesRx { get; internal set; }

    /// <summary>dot1xAuthEapLengthErrorFramesRx: frames whose body length is invalid.</summary>
    public long EapLengthErrorFramesRx { get; internal set; }

    /// <summary>dot1xAuthLastEapolFrameVersion.</summary>
    public byte LastEapolFrameVersion { get; internal set; }

    /// <summary>dot1xAuthLastEapolFrameSource.</summary>
    public MacAddress LastEapolFrameSource { get; internal set; }

    /// <summary>dot1xAuthEntersConnecting.</summary>
    public long EntersConnecting { get; internal set; }

    /// <summary>dot1xAuthEapLogoffsWhileConnecting.</summary>
    public long EapLogoffsWhileConnecting { get; internal set; }

    /// <summary>dot1xAuthEntersAuthenticating.</summary>
    public long EntersAuthenticating { get; internal set; }

    /// <summary>dot1xAuthAuthSuccessWhileAuthenticating.</summary>
    public long AuthSuccessWhileAuthenticating { get; internal set; }

    /// <summary>dot1xAuthAuthTimeoutsWhileAuthenticating.</summary>
    public long AuthTimeoutsWhileAuthenticating { get; internal set; }

    /// <summary>dot1xAuthAuthFailWhileAuthenticating.</summary>
    public long AuthFailWhileAuthenticating { get; internal set; }

    /// <summary>dot1xAuthAuthEapStartsWhileAuthenticating.</summary>
    public long AuthEapStartsWhileAuthenticating { get; internal set; }

    /// <summary>dot1xAuthAuthEapLogoffWhileAuthenticating.</summary>
    public long AuthEapLogoffWhileAuthenticating { get; internal set; }

    /// <summary>dot1xAuthAuthReauthsWhileAuthenticated.</summary>
    public long AuthReauthsWhileAuthenticated { get; internal set; }

    /// <summary>dot1xAuthAuthEapStartsWhileAuthenticated.</summary>
    public long AuthEapStartsWhileAuthenticated { get; internal set; }

    /// <summary>dot1xAuthAuthEapLogoffWhileAuthenticated.</summary>
    public long AuthEapLogoffWhileAuthenticated { get; internal set; }

    /// <summary>dot1xAuthBackendResponses: responses passed to the server.</summary>
    public long BackendResponses { get; internal set; }

    /// <summary>dot1xAuthBackendAccessChallenges: requests of the server.</summary>
    public long BackendAccessChallenges { get; internal set; }

    /// <summary>dot1xAuthBackendOtherRequestsToSupplicant: requests sent, repetitions included.</summary>
    public long BackendOtherRequestsToSupplicant { get; internal set; }

    /// <summary>dot1xAuthBackendAuthSuccesses.</summary>
    public long BackendAuthSuccesses { get; internal set; }

    /// <summary>dot1xAuthBackendAuthFails.</summary>
    public long BackendAuthFails { get; internal set; }

    /// <summary>Requests that were sent again.</summary>
    public long Retransmissions { get; internal set; }

    /// <summary>Identity requests to clients that were given no port.</summary>
    public long AnsweredWithoutPort { get; internal set; }

    /// <summary>Ports that made place for others: of clients that had got as far as an identity.</summary>
    public long EvictedAsked { get; internal set; }

    /// <summary>Ports that made place for others: of clients that fell silent in an exchange.</summary>
    public long EvictedStalled { get; internal set; }

    /// <summary>Ports that made place for others: of clients in their quiet period.</summary>
    public long EvictedHeld { get; internal set; }

    /// <summary>Methods without a key that a server offered, or accepted by, on keyed ports.</summary>
    public long MethodsWithoutKey { get; internal set; }

    /// <summary>Answers of a server that are none: no EAP request, or one that does not fit the link.</summary>
    public long ServerFaults { get; internal set; }

    /// <summary>Authentications that a server did not end within the rounds that it may have.</summary>
    public long TooManyRounds { get; internal set; }

    /// <summary>Frames and answers dropped for a reason.</summary>
    public long this[AuthenticatorDrop reason] => Volatile.Read(ref _drops[(int)reason]);

    internal void Drop(AuthenticatorDrop reason) => _drops[(int)reason]++;
}
