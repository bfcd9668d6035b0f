using System.Text;
using Masquerade.Core.Flow;
using Masquerade.KernelAbi;
using Microsoft.Win32.SafeHandles;

namespace Masquerade.Client.Link;

/// <summary>What the kernel says and is told of an interface.</summary>
internal static unsafe class NetworkInterface
{
    /// <summary>Its index.</summary>
    /// <exception cref="ClientException">There is none of that name.</exception>
    public static int Index(string name) => (int)Linux.IndexOf(name) is > 0 and var index ? index : throw new ClientException($"{name}: no such interface");

    /// <summary>Its hardware address.</summary>
    /// <exception cref="ClientException">It is not Ethernet.</exception>
    public static MacAddress Address(string name)
    {
        IfReq request = default;
        Ask(name, Linux.GetAddress, &request, "read the hardware address");

        // struct sockaddr: the hardware's type as the family, then the address.
        return *(ushort*)request.Value == Linux.Ethernet ? MacAddress.FromBytes(new ReadOnlySpan<byte>(request.Value + 2, 6)) : throw new ClientException($"{name}: not an Ethernet interface");
    }

    /// <summary>Its MTU, octets.</summary>
    public static int Mtu(string name)
    {
        IfReq request = default;
        Ask(name, Linux.GetMtu, &request, "read the MTU");
        return *(int*)request.Value;
    }

    /// <summary>Whether it is up and has a carrier.</summary>
    public static bool IsRunning(string name)
    {
        IfReq request = default;
        Ask(name, Linux.GetFlags, &request, "read the flags");
        return (*(short*)request.Value & (Linux.Up | Linux.Running)) == (Linux.Up | Linux.Running);
    }

    /// <summary>Gives it an address and an MTU, and turns it on.</summary>
    public static void Prepare(string name, MacAddress address, int mtu)
    {
        IfReq request = default;
        *(ushort*)request.Value = Linux.Ethernet;
        address.WriteTo(new Span<byte>(request.Value + 2, 6));
        Ask(name, Linux.SetAddress, &request, "set the hardware address");
        *(int*)request.Value = mtu;
        Ask(name, Linux.SetMtu, &request, "set the MTU");
        Ask(name, Linux.GetFlags, &request, "read the flags");
        *(short*)request.Value |= Linux.Up;
        Ask(name, Linux.SetFlags, &request, "turn it on");
    }

    /// <summary>Writes a name into a request.</summary>
    /// <exception cref="ClientException">It is too long.</exception>
    public static void Name(string name, IfReq* request)
    {
        if (name.Length == 0 || !Encoding.UTF8.TryGetBytes(name, new Span<byte>(request->Name, IfReq.MaxName), out _))
        {
            throw new ClientException($"'{name}' cannot be an interface's name: 1 to {IfReq.MaxName} octets");
        }
    }

    private static void Ask(string name, nuint code, IfReq* request, string what)
    {
        using SafeFileHandle socket = Linux.Check(Linux.Socket(Linux.AddressInternet, Linux.Datagram | Linux.CloseOnExec, 0), "open a socket");
        Name(name, request);
        _ = Linux.Check(Linux.Control(socket, code, request), $"{name}: {what}");
    }
}
