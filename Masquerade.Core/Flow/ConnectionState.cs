namespace Masquerade.Core.Flow;

/// <summary>How far a tracked connection is (RFC 7857 section 2, figure 1, from the client's side; UDP and ICMP use only <see cref="None"/> and <see cref="Established"/>).</summary>
public enum ConnectionState : byte
{
    /// <summary>Nothing seen yet.</summary>
    None = 0,

    /// <summary>A SYN from one side has been seen; the transitory timeout applies.</summary>
    Opening = 1,

    /// <summary>Both sides have spoken (TCP: SYN both ways; UDP and ICMP: any packet); the established timeout applies.</summary>
    Established = 2,

    /// <summary>The client has sent FIN.</summary>
    ClientClosed = 3,

    /// <summary>The server has sent FIN.</summary>
    ServerClosed = 4,

    /// <summary>Both have sent FIN; the transitory timeout applies.</summary>
    Closing = 5,

    /// <summary>A RST was seen; the transitory timeout applies and any other packet re-opens it (RFC 7857 section 2.2).</summary>
    Reset = 6,
}
