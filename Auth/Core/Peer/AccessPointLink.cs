using Masquerade.Auth.Handshake;
using Masquerade.Auth.Protection;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Peer;

/// <summary>The link to one access point: its handshake, the keys of the session that it is over, and what protects frames.</summary>
internal sealed class AccessPointLink(MacAddress address, SupplicantKeys keys, HandshakeSupplicant handshake, MacsecChannel channel, bool ownsChannel)
{
    public MacAddress Address { get; } = address;

    public SupplicantKeys Keys { get; } = keys;

    public HandshakeSupplicant Handshake { get; } = handshake;

    public MacsecChannel Channel { get; } = channel;

    /// <summary>The access point that was told of.</summary>
    public NodeId Node { get; set; }

    /// <summary>The handshake's rounds that were told of.</summary>
    public int Rounds { get; set; }

    /// <summary>Zeroes its keys; those of the link too, unless another handshake with the same access point goes on with them.</summary>
    public void End(MacsecChannel? inUse)
    {
        Handshake.Dispose();
        if (Channel != inUse)
        {
            Channel.Dispose();
        }
    }

    /// <summary>Ends one that came to nothing.</summary>
    public void GiveUp()
    {
        Handshake.Dispose();
        if (ownsChannel)
        {
            Channel.Dispose();
        }
    }
}
