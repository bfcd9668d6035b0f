namespace Masquerade.AccessPoint.Dhcp;

/// <summary>UDP ports of DHCP (RFC 2131 section 4.1).</summary>
internal static class DhcpPort
{
    public const ushort Server = 67;
    public const ushort Client = 68;
}

/// <summary>What a message is (RFC 2132 section 9.6).</summary>
internal enum DhcpMessageType : byte
{
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Acknowledge = 5,
    Refuse = 6,
    Release = 7,
    Inform = 8,
}

/// <summary>Codes of the options that are read or written here (RFC 2132, RFC 3046).</summary>
internal static class DhcpOption
{
    public const byte Pad = 0;
    public const byte SubnetMask = 1;
    public const byte Router = 3;
    public const byte DnsServers = 6;
    public const byte DomainName = 15;
    public const byte InterfaceMtu = 26;
    public const byte RequestedAddress = 50;
    public const byte LeaseTime = 51;
    public const byte MessageType = 53;
    public const byte ServerIdentifier = 54;
    public const byte RenewalTime = 58;
    public const byte RebindingTime = 59;
    public const byte ClientIdentifier = 61;
    public const byte RelayAgent = 82;
    public const byte End = 255;
}

/// <summary>What a relay agent says in option 82.</summary>
internal static class RelayAgentSubOption
{
    /// <summary>RFC 3046 section 3.1: where the client's circuit is. Here: the access point's client side.</summary>
    public const byte CircuitId = 1;

    /// <summary>RFC 3046 section 3.2: who the far end of the circuit is. Here: the access point's name.</summary>
    public const byte RemoteId = 2;

    /// <summary>RFC 3527: the client's subnet, where the relay agent's own address is in another one.</summary>
    public const byte LinkSelection = 5;

    /// <summary>RFC 5107: the address that clients are to take for the server's.</summary>
    public const byte ServerIdentifierOverride = 11;
}
