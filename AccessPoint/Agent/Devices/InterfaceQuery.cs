using System.Runtime.InteropServices;
using System.Text;
using Masquerade.Core.Flow;
using Masquerade.KernelAbi;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>What the kernel tells about an interface of the calling thread's (or a socket's) network namespace.</summary>
internal static unsafe class InterfaceQuery
{
    /// <summary>The hardware address and the MTU.</summary>
    /// <exception cref="DeviceException">No such interface, or not Ethernet.</exception>
    public static (MacAddress HardwareAddress, int Mtu) Read(string name)
    {
        var socket = Libc.socket(Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0);
        if (socket < 0)
        {
            throw DeviceException.FromErrorNumber(name, "open a socket", Marshal.GetLastPInvokeError());
        }

        try
        {
            return (ReadHardwareAddress(socket, name), ReadMtu(socket, name));
        }
        finally
        {
            _ = Libc.close(socket);
        }
    }

    /// <summary>The hardware address.</summary>
    /// <exception cref="DeviceException">No such interface, or not Ethernet.</exception>
    public static MacAddress ReadHardwareAddress(int socket, string name)
    {
        IfReq request = default;
        Query(socket, name, Libc.SIOCGIFHWADDR, &request, "read the hardware address");

        // struct sockaddr: the ARP hardware type as the family, then the address.
        var type = *(ushort*)request.Value;
        return type == Libc.ARPHRD_ETHER
            ? MacAddress.FromBytes(new ReadOnlySpan<byte>(request.Value + 2, 6))
            : throw new DeviceException($"{name}: not an Ethernet interface (ARP hardware type {type})");
    }

    /// <summary>The MTU in octets.</summary>
    /// <exception cref="DeviceException">No such interface.</exception>
    public static int ReadMtu(int socket, string name)
    {
        IfReq request = default;
        Query(socket, name, Libc.SIOCGIFMTU, &request, "read the MTU");
        return *(int*)request.Value;
    }

    private static void Query(int socket, string name, nuint code, IfReq* request, string action)
    {
        // A longer one cannot exist.
        if (!Encoding.UTF8.TryGetBytes(name, new Span<byte>(request->Name, IfReq.MaxName), out _))
        {
            throw DeviceException.FromErrorNumber(name, action, Libc.ENODEV);
        }

        if (Libc.ioctl(socket, code, request) != 0)
        {
            throw DeviceException.FromErrorNumber(name, action, Marshal.GetLastPInvokeError());
        }
    }
}
