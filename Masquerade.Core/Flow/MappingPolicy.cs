namespace Masquerade.Core.Flow;

/// <summary>Whether a client endpoint has one masquerade endpoint for all servers (RFC 4787 section 4.1). ICMP queries are endpoint-independent in any case.</summary>
public enum MappingPolicy : byte
{
    /// <summary>One for all servers (RFC 4787 REQ-1, RFC 5382 REQ-1). The default.</summary>
    EndpointIndependent = 0,

    /// <summary>One per server, TCP and UDP: mappings for different servers share ports when these run short (RFC 7857 section 3).</summary>
    AddressAndPortDependent = 1,

    /// <summary>One per server for TCP; UDP, by which clients find each other through translators, is endpoint-independent.</summary>
    TcpAddressAndPortDependent = 2,
}
