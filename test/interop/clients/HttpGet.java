import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import javax.net.ssl.*;

/** Java's two clients: `HttpGet.java (client|connection) URL PROXY_PORT USER PASSWORD CA_FILE`; they answer a challenge. */
public class HttpGet {
  public static void main(String[] args) throws Exception {
    URI url = URI.create(args[1]);
    InetSocketAddress proxy = new InetSocketAddress("127.0.0.1", Integer.parseInt(args[2]));
    Authenticator authenticator = new Authenticator() {
      private int asked = 0;

      @Override
      protected PasswordAuthentication getPasswordAuthentication() {
        return asked++ > 0 ? null : new PasswordAuthentication(args[3], args[4].toCharArray());
      }
    };
    SSLContext tls = trusting(Path.of(args[5]));
    if (args[0].equals("client")) {
      HttpClient client = HttpClient.newBuilder()
        .version(HttpClient.Version.HTTP_1_1).proxy(ProxySelector.of(proxy)).authenticator(authenticator).sslContext(tls).build();
      HttpResponse<String> response = client.send(HttpRequest.newBuilder(url).build(), HttpResponse.BodyHandlers.ofString());
      System.out.print(response.statusCode() + " " + response.body());
      return;
    }
    Authenticator.setDefault(authenticator);
    URLConnection connection = url.toURL().openConnection(new Proxy(Proxy.Type.HTTP, proxy));
    if (connection instanceof HttpsURLConnection https) https.setSSLSocketFactory(tls.getSocketFactory());
    System.out.print(((HttpURLConnection) connection).getResponseCode() + " ");
    System.out.print(new String(connection.getInputStream().readAllBytes()));
  }

  private static SSLContext trusting(Path authority) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (var bytes = Files.newInputStream(authority)) {
      store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(bytes));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }
}
