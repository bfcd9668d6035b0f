namespace Masquerade.Auth.Radius;

/// <summary>How a request ended.</summary>
public enum RadiusOutcome
{
    /// <summary>With an answer whose authenticators are right.</summary>
    Answered,

    /// <summary>No server answered in time.</summary>
    NoAnswer,

    /// <summary>As many requests wait as may.</summary>
    Busy,

    /// <summary>Its attributes do not fit into a packet.</summary>
    TooLarge,
}

/// <summary>What came of a request.</summary>
public sealed class RadiusReply
{
    private readonly byte[] _requestAuthenticator;
    private readonly RadiusSecret? _secret;

    internal RadiusReply(RadiusOutcome outcome)
    {
        Outcome = outcome;
        _requestAuthenticator = [];
    }

    internal RadiusReply(RadiusServer server, in RadiusPacket packet, byte[] requestAuthenticator)
    {
        Server = server;
        Packet = packet;
        _requestAuthenticator = requestAuthenticator;
        _secret = server.Settings.Secret;
    }

    /// <summary>How it ended.</summary>
    public RadiusOutcome Outcome { get; }

    /// <summary>Who answered; null if nobody did.</summary>
    public RadiusServer? Server { get; }

    /// <summary>The answer, if there is one.</summary>
    public RadiusPacket Packet { get; }

    /// <summary>Reads the MSK of an Access-Accept; see <see cref="MsMppeKeys.TryReadMsk"/>.</summary>
    public bool TryReadMsk(out byte[] msk, out MskFault fault)
    {
        if (_secret is null)
        {
            (msk, fault) = ([], MskFault.Absent);
            return false;
        }

        return MsMppeKeys.TryReadMsk(Packet, _requestAuthenticator, _secret, out msk, out fault);
    }
}
