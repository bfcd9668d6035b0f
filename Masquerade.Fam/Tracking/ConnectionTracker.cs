using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// The state machine of a tracked connection: RFC 7857 section 2 (figure 1) for TCP, two states for UDP and ICMP queries. Pure: state and packet in, state out. The figure's INIT is
/// <see cref="ConnectionState.Opening"/>, its TRANS <see cref="ConnectionState.Reset"/>, and C FIN + S FIN RCV <see cref="ConnectionState.Closing"/>. Whether a RST is the other end's
/// at all <see cref="TcpWindows"/> tells; here come only those that are.
/// </summary>
internal static class ConnectionTracker
{
    public static ConnectionState Next(ConnectionState state, PacketKind kind, TcpFlags flags, bool fromClient)
    {
        if (kind != PacketKind.Tcp)
        {
            return ConnectionState.Established;
        }

        var syn = (flags & TcpFlags.Syn) != 0;
        var fin = (flags & TcpFlags.Fin) != 0;
        return state switch
        {
            // A server may open as well, where the filtering policy admits it.
            ConnectionState.None when syn && (flags & TcpFlags.Ack) == 0 => ConnectionState.Opening,

            // Only the side that did not open can complete: the answer to the client's SYN comes from the server.
            // After a move the state may be older than the packet: a server that closes has been connected.
            ConnectionState.None or ConnectionState.Opening => fromClient ? ConnectionState.Opening : fin ? ConnectionState.ServerClosed : ConnectionState.Established,
            ConnectionState.Established when fin => fromClient ? ConnectionState.ClientClosed : ConnectionState.ServerClosed,
            ConnectionState.ClientClosed when fin && !fromClient => ConnectionState.Closing,
            ConnectionState.ServerClosed when fin && fromClient => ConnectionState.Closing,

            // The same 5-tuple is opened again (RFC 6191): a fresh SYN of the client starts over.
            ConnectionState.Closing or ConnectionState.Reset when syn && fromClient => ConnectionState.Opening,
            ConnectionState.Reset when fin => fromClient ? ConnectionState.ClientClosed : ConnectionState.ServerClosed,
            ConnectionState.Reset => ConnectionState.Established,
            _ => state,
        };
    }

    /// <summary>
    /// One connection, seen at two access points: what of the older observation still holds. Half-closes add up, for each is seen where its FIN passes; a fresher
    /// SYN after a close or reset has begun a new connection.
    /// </summary>
    public static ConnectionState Merge(ConnectionState fresher, ConnectionState older)
    {
        if (fresher == ConnectionState.None || (fresher == ConnectionState.Opening && older is not (ConnectionState.None or ConnectionState.Closing or ConnectionState.Reset)))
        {
            return older;
        }

        var clientClosed = IsClosedByClient(fresher) || IsClosedByClient(older);
        var serverClosed = IsClosedByServer(fresher) || IsClosedByServer(older);
        return fresher is ConnectionState.Opening or ConnectionState.Reset ? fresher : (clientClosed, serverClosed) switch
        {
            (true, true) => ConnectionState.Closing,
            (true, false) => ConnectionState.ClientClosed,
            (false, true) => ConnectionState.ServerClosed,
            _ => ConnectionState.Established,
        };
    }

    /// <summary>A connection that the client has closed before it was known to be open.</summary>
    public static ConnectionState WithClientClosed(ConnectionState state) => state switch
    {
        ConnectionState.Established => ConnectionState.ClientClosed,
        ConnectionState.ServerClosed => ConnectionState.Closing,
        _ => state,
    };

    /// <summary>Whether a packet of the client can be the first of a connection.</summary>
    public static bool CanOpen(PacketKind kind, TcpFlags flags) => kind switch
    {
        PacketKind.Tcp => (flags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst)) == TcpFlags.Syn,
        PacketKind.Udp or PacketKind.IcmpQuery => true,
        _ => false,
    };

    /// <summary>A TCP connection of which only one side has been heard: a SYN flood is made of these.</summary>
    public static bool IsOpening(TransportProtocol protocol, ConnectionState state) =>
        protocol == TransportProtocol.Tcp && state is (ConnectionState.None or ConnectionState.Opening);

    public static TimeSpan IdleTimeout(FamConfig config, TransportProtocol protocol, ConnectionState state) => protocol switch
    {
        TransportProtocol.Udp => config.UdpTimeout,
        TransportProtocol.Icmp => config.IcmpTimeout,
        _ => state switch
        {
            ConnectionState.Established or ConnectionState.ClientClosed or ConnectionState.ServerClosed => config.TcpEstablishedTimeout,
            ConnectionState.None or ConnectionState.Opening => config.TcpOpeningTimeout,
            _ => config.TcpClosingTimeout,
        },
    };

    private static bool IsClosedByClient(ConnectionState state) => state is ConnectionState.ClientClosed or ConnectionState.Closing;

    private static bool IsClosedByServer(ConnectionState state) => state is ConnectionState.ServerClosed or ConnectionState.Closing;
}
