namespace Masquerade.Auth.Peer;

/// <summary>What a supplicant does to the world. Spans are good during the call only.</summary>
public interface ISupplicantOutput
{
    /// <summary>Sends an Ethernet frame on the link, without a check sequence.</summary>
    void Send(ReadOnlySpan<byte> frame);

    /// <summary>Gives an Ethernet frame to the client.</summary>
    void Deliver(ReadOnlySpan<byte> frame);

    /// <summary>Something has happened.</summary>
    void Tell(SupplicantEvent what);
}
